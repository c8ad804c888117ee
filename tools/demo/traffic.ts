import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../random'
import type { Application } from './fleet'
import type { Row, ServedRow } from './messages'

export interface TrafficPlan {
  readonly applications: readonly Application[]
  /** Tenants, each as often as its share of the traffic. */
  readonly tenants: readonly string[]
  /** Of each transcript, how many beginnings it has. */
  readonly cuts: readonly number[]
  readonly random: Random
  /** Begins the names of conversations. */
  readonly prefix: string
}

/** Bounds of the load, for two cores that also run all servers. */
const limits = { conversationsPerSecond: 16, conversationsOpen: 120 } as const
/** Each conversation is scored at so many points of it, the end included. */
const points = { fewest: 5, most: 8 } as const
const thinkMs = { shortest: 120, spread: 360 } as const
/** Some customers take their time: their conversations outlive a step. */
const slow = { share: 0.08, thinkMs: 2_500 } as const

/** Conversations that begin, hop between the applications from message to message, and end. */
export class Traffic {
  /** Requests served by composite, as they come in. */
  readonly served = new Map<string, number>()
  begun = 0
  requests = 0
  private readonly plan: TrafficPlan
  private readonly open = new Set<Promise<void>>()
  private readonly ending = new AbortController()
  private nextOrder = 0
  private abandoned = false
  private failed: (error: unknown) => void = () => undefined
  /** Rejects when an application fails; never resolves. */
  readonly failure: Promise<never>
  private loop: Promise<void> = Promise.resolve()

  constructor(plan: TrafficPlan) {
    this.plan = plan
    setMaxListeners(limits.conversationsOpen + 1, this.ending.signal)
    this.failure = new Promise((_, reject) => {
      this.failed = reject
    })
    this.failure.catch(() => undefined)
  }

  start(): void {
    this.loop = this.run()
  }

  /** Leaves every conversation where it is; resolves when no request is under way. */
  abandon(): Promise<void> {
    this.abandoned = true
    return this.stop()
  }

  /** Begins nothing new and brings every conversation to its end without a rest. */
  async stop(): Promise<void> {
    this.ending.abort()
    await this.loop
    await Promise.all(this.open)
  }

  private async run(): Promise<void> {
    while (!this.ending.signal.aborted) {
      if (this.open.size < limits.conversationsOpen) this.begin()
      await this.rest((1_000 / limits.conversationsPerSecond) * (0.5 + this.plan.random.uniform()))
    }
  }

  private begin(): void {
    const work = this.converse(this.begun++).catch(this.failed)
    this.open.add(work)
    void work.then(() => this.open.delete(work))
  }

  private async converse(index: number): Promise<void> {
    const { applications, tenants, cuts, random, prefix } = this.plan
    const transcript = index % cuts.length
    const round = Math.floor(index / cuts.length)
    const tenant = tenants[Math.floor(random.uniform() * tenants.length)] ?? 'unknown'
    const conversation = `${prefix}-${String(transcript).padStart(3, '0')}-${round}`
    const startedAt = Date.now()
    const isSlow = random.uniform() < slow.share
    const scored = pointsOf(cuts[transcript] ?? 1, random)
    let binding: string | undefined
    for (const [place, cut] of scored.entries()) {
      if (place > 0) await this.rest(isSlow ? slow.thinkMs : thinkMs.shortest + thinkMs.spread * random.uniform())
      const application = applications[(index + place) % applications.length]
      if (application === undefined || this.abandoned) return
      const last = place === scored.length - 1
      const request = { tenant, conversation, transcript, cut, startedAt, last }
      const order = { kind: 'score' as const, id: this.nextOrder++, ...request }
      const answer = await application.score(binding === undefined ? order : { ...order, binding })
      binding = answer.binding ?? binding
      this.count(answer.row)
    }
  }

  private count(row: Row): void {
    if (row.kind === 'skipped') return
    this.requests++
    this.served.set(row.composite, (this.served.get(row.composite) ?? 0) + 1)
  }

  private async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.ending.signal }).catch(() => undefined)
  }
}

/** Ascending places among `count` beginnings, spread over the conversation; the whole is always the last. */
export function pointsOf(count: number, random: Random): readonly number[] {
  const wanted = Math.min(count, points.fewest + Math.floor(random.uniform() * (points.most - points.fewest + 1)))
  const width = count / wanted
  const places = Array.from({ length: wanted }, (_, part) => {
    const from = Math.ceil(part * width)
    const to = Math.ceil((part + 1) * width)
    return from + Math.floor(random.uniform() * (to - from))
  })
  return [...places.slice(0, -1), count - 1]
}

export const isServed = (row: Row): row is ServedRow => row.kind === 'served'
