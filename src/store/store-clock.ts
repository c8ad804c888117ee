import type { Database } from './database'

const askedAgainMs = 60_000

/** About what the store's clock says, asked for once a minute: for bounds that are far wider than a clock drifts in it. */
export class StoreClock {
  private known: { readonly now: number; readonly at: number } | undefined
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  async now(): Promise<number> {
    const elapsedMs = performance.now() - (this.known?.at ?? Number.NEGATIVE_INFINITY)
    if (this.known !== undefined && elapsedMs < askedAgainMs) return this.known.now + elapsedMs
    const now = await this.database.now()
    this.known = { now, at: performance.now() }
    return now
  }
}
