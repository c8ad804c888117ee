import type { Policy } from '../domain/policy'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Database } from './database'
import { defaultRequestDays } from './request-log'
import { databaseView } from './version-view'

interface Known {
  readonly days: number
  readonly until: number
}

const dayMs = 24 * 3_600_000
const cachedMs = 60_000
const maxCached = 10_000

/** How long requests are kept: what the policy of their task says when they arrive, looked up once a minute at most. */
export class RequestRetention {
  private readonly known = new Map<string, Known>()
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** By task, for the tasks of these requests. */
  async of(requests: readonly { readonly task: string }[]): Promise<(task: string) => number> {
    const days = new Map<string, number>()
    for (const { task } of requests) if (!days.has(task)) days.set(task, await this.daysOf(task))
    return (task) => (days.get(task) ?? defaultRequestDays) * dayMs
  }

  private async daysOf(task: string): Promise<number> {
    const known = this.known.get(task)
    if (known !== undefined && known.until > Date.now()) return known.days
    const days = (await this.asked(task)) ?? defaultRequestDays
    if (this.known.size >= maxCached) this.known.clear()
    this.known.set(task, { days, until: Date.now() + cachedMs })
    return days
  }

  /** Undefined where the task has no policy that says it, or none that is left. */
  private async asked(task: string): Promise<number | undefined> {
    const tasks = this.database.collection<{ _id: string; policyDigest: Digest }>('tasks')
    const found = await tasks.findOne({ _id: task }, { projection: { policyDigest: 1 } })
    if (found === null) return undefined
    try {
      const { content } = await databaseView(this.database).findDigest('policy', found.policyDigest)
      return content === '' ? undefined : (JSON.parse(content) as Policy).requestLogDays
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'unknown_ref') return undefined
      throw error
    }
  }
}
