import type { LiveJudgePolicy } from './domain/policy'
import type { Endpoints } from './engines/engine'
import type { Log } from './log'
import { openRelease, type ReleaseFile } from './store/assessor'
import { judgeRound } from './store/live-judging'
import type { Store } from './store/store'

const leaseMs = 60_000
const maxOpenReleases = 1_000

export interface LiveJudgesDeps {
  readonly store: Store
  readonly endpoints: Endpoints
  readonly log: Log
  /** Of this process: who holds the lease. */
  readonly holder: string
  /** How often a round comes, for the rates of judges. */
  readonly roundMs: number
}

/** Judges of live outputs in every open release, by one server at a time; captures are read nowhere else. */
export class LiveJudges {
  private readonly deps: LiveJudgesDeps

  constructor(deps: LiveJudgesDeps) {
    this.deps = deps
  }

  /** One round. Nothing where another process holds the lease, which is renewed while the round lasts. */
  async once(): Promise<void> {
    const take = () => this.deps.store.leases.take('judge', this.deps.holder, leaseMs)
    if (!(await take())) return
    const failed = (error: unknown) =>
      this.deps.log.error({ error: String(error) }, 'the lease of judging is not renewed')
    const renewing = setInterval(() => void take().catch(failed), leaseMs / 4)
    try {
      for (const { id, plan } of await this.deps.store.releases.list({ open: true, limit: maxOpenReleases })) {
        if (plan !== undefined) await this.ofRelease(id)
      }
    } finally {
      clearInterval(renewing)
    }
  }

  /** One release that cannot be read, or one judge whose endpoint is not configured, must not keep the others from their turn. */
  private async ofRelease(release: string): Promise<void> {
    const failed = (error: unknown, metric?: string) =>
      this.deps.log.error({ error: String(error), release, metric }, 'judging failed; the next round tries again')
    try {
      const file = await openRelease(this.deps.store, release)
      for (const judge of file.policy.judges ?? []) {
        await this.judge(file, judge).catch((error: unknown) => failed(error, judge.metric))
      }
    } catch (error) {
      failed(error)
    }
  }

  private judge(file: ReleaseFile, judge: LiveJudgePolicy): Promise<unknown> {
    const { store, endpoints, roundMs } = this.deps
    return judgeRound({ ...store, endpoints, roundMs }, file, judge)
  }
}
