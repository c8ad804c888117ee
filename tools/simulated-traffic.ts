import type { ArmStats, ClosedValueName, EventName, StratumStats } from '../src/domain/telemetry'
import { type Random, randomFrom } from './random'

/** Taken once: a test runner's sandbox looks `Math` up anew at every use, which would double the simulation's time. */
const { log, exp, sqrt, floor } = Math

/**
 * How the same traffic is counted. `right` is the product's way: by conversation, replicas united, in the stratum a
 * conversation is bound to. The others are known mistakes, kept to show that the measurement can fail.
 */
export const countings = ['right', 'requests', 'replicas', 'pooled', 'moment'] as const
export type Counting = (typeof countings)[number]

export interface Scenario {
  readonly seed: number
  readonly conversationsPerTick: number
  /** The ramp: the candidate's share and for how many ticks. One lane entry each. */
  readonly steps: readonly { readonly share: number; readonly ticks: number }[]
  /** A provider outage that hits both arms alike. */
  readonly outage?: { readonly from: number; readonly to: number }
  /** What the candidate does worse, as ratios; 1 is harmless. */
  readonly harm?: { readonly errors?: number; readonly cost?: number; readonly fromTick?: number }
}

export const replicas = 3
/** Correlation of two requests of one conversation, in errors and in the logarithms of cost and latency. */
const correlation = 0.3
const errorRate = 0.01
const schemaFailureRate = 0.005
const outageErrorRate = 0.1
const outageSlowdown = 1.5
/** Deviations of the logarithm: costs are heavy-tailed, latencies less so. */
const costSpread = 1
const latencySpread = 0.5
const p95 = 1.6448536269514722
const medianCostUsd = 0.002
const costLimitUsd = medianCostUsd * exp(costSpread * p95)
const medianLatencyMs = 900
const latencyLimitMs = medianLatencyMs * exp(latencySpread * p95)
const fewestRequests = 3
const mostRequests = 7
/** Ticks between two requests: 1 to this, so that conversations outlive their step. */
const longestGap = 12

type Writable<T> = { -readonly [K in keyof T]: T[K] extends number | string ? T[K] : Writable<T[K]> }
type Tally = Writable<ArmStats>
export type TallyStratum = Writable<Omit<StratumStats, 'candidate' | 'incumbent'>> & {
  candidate: Tally
  incumbent: Tally
}

interface Conversation {
  readonly onCandidate: boolean
  readonly stratum: number
  requestsLeft: number
  requests: number
  errors: number
  schemaFailures: number
  costUsd: number
  latencyMs: number
  readonly costLevel: number
  readonly latencyLevel: number
  /** Per event the replicas that saw it, as bits. */
  readonly seenBy: Record<EventName, number>
}

/** Traffic of one release, tick by tick, with the statistics that a store would hold after each. */
export class SimulatedTraffic {
  readonly strata: Readonly<Record<Counting, TallyStratum[]>>
  tick = 0
  readonly totals = { requests: 0, errors: 0, costUsd: 0 }
  private readonly scenario: Scenario
  private readonly wanted: readonly Counting[]
  private readonly random: Random
  private readonly calendar: Conversation[][] = []
  private readonly ticks: number
  private exposure = { conversations: 0, candidates: 0 }

  constructor(scenario: Scenario, wanted: readonly Counting[]) {
    this.scenario = scenario
    this.wanted = wanted
    this.random = randomFrom(scenario.seed)
    this.ticks = scenario.steps.reduce((sum, { ticks }) => sum + ticks, 0)
    this.strata = Object.fromEntries(countings.map((counting) => [counting, []])) as unknown as Record<
      Counting,
      TallyStratum[]
    >
  }

  get done(): boolean {
    return this.tick >= this.ticks
  }

  /** The index of the step in force; entries have the seq index + 1. */
  get step(): number {
    let end = 0
    for (const [index, { ticks }] of this.scenario.steps.entries()) {
      end += ticks
      if (this.tick < end) return index
    }
    return this.scenario.steps.length - 1
  }

  /** Lets one tick pass: new conversations begin, and those whose time has come make a request. */
  advance(): void {
    const step = this.step
    const share = this.scenario.steps[step]?.share ?? 0
    for (let index = 0; index < this.scenario.conversationsPerTick; index += 1) this.begin(step, share)
    for (const conversation of this.calendar[this.tick] ?? []) this.request(conversation)
    delete this.calendar[this.tick]
    this.tick += 1
  }

  private begin(step: number, share: number): void {
    const onCandidate = this.random.uniform() < share
    const conversation: Conversation = {
      onCandidate,
      stratum: step,
      requestsLeft: fewestRequests + floor(this.random.uniform() * (mostRequests - fewestRequests + 1)),
      requests: 0,
      errors: 0,
      schemaFailures: 0,
      costUsd: 0,
      latencyMs: 0,
      costLevel: sqrt(correlation) * this.random.normal(),
      latencyLevel: sqrt(correlation) * this.random.normal(),
      seenBy: { error: 0, schema_failure: 0, cost_exceeded: 0, latency_exceeded: 0 },
    }
    this.exposure.conversations += 1
    this.exposure.candidates += share
    for (const counting of this.wanted) if (counting !== 'requests') this.arm(counting, conversation).units += 1
    this.request(conversation)
  }

  private request(conversation: Conversation): void {
    const { uniform, normal } = this.random
    const { harm, outage } = this.scenario
    const harmful = conversation.onCandidate && this.tick >= (harm?.fromTick ?? 0)
    const inOutage = outage !== undefined && this.tick >= outage.from && this.tick < outage.to
    const replica = 1 << floor(uniform() * replicas)
    const own = sqrt(1 - correlation)
    const error =
      this.urn(errorRate * (harmful ? (harm?.errors ?? 1) : 1), conversation.errors, conversation.requests) ||
      (inOutage && uniform() < outageErrorRate)
    const schemaFailure = this.urn(schemaFailureRate, conversation.schemaFailures, conversation.requests)
    const costUsd =
      medianCostUsd * (harmful ? (harm?.cost ?? 1) : 1) * exp(costSpread * (conversation.costLevel + own * normal()))
    const latencyMs =
      medianLatencyMs *
      (inOutage ? outageSlowdown : 1) *
      exp(latencySpread * (conversation.latencyLevel + own * normal()))
    const errors = error ? 1 : 0
    const schemaFailures = schemaFailure ? 1 : 0
    conversation.requests += 1
    conversation.errors += errors
    conversation.schemaFailures += schemaFailures
    conversation.costUsd += costUsd
    conversation.latencyMs += latencyMs
    for (const counting of this.wanted) {
      const arm = this.arm(counting, conversation)
      arm.requests += 1
      arm.errorRequests += errors
      arm.schemaFailureRequests += schemaFailures
      arm.costUsd += costUsd
      arm.latencyMs += latencyMs
      if (counting === 'requests') {
        arm.units += 1
        addMoments(arm, 'cost_usd', costUsd)
        addMoments(arm, 'latency_ms', latencyMs)
      }
    }
    if (conversation.onCandidate) {
      this.totals.requests += 1
      this.totals.errors += error || schemaFailure ? 1 : 0
      this.totals.costUsd += costUsd
    }
    if (error) this.event(conversation, 'error', replica)
    if (schemaFailure) this.event(conversation, 'schema_failure', replica)
    if (costUsd > costLimitUsd) this.event(conversation, 'cost_exceeded', replica)
    if (latencyMs > latencyLimitMs) this.event(conversation, 'latency_exceeded', replica)
    conversation.requestsLeft -= 1
    if (conversation.requestsLeft > 0) this.schedule(conversation)
    else this.close(conversation)
  }

  /** Pólya's urn: the next of correlated 0/1 facts with this mean, given how many of those before were 1 (beta-binomial). */
  private urn(mean: number, hits: number, trials: number): boolean {
    const size = (1 - correlation) / correlation
    return this.random.uniform() < (mean * size + hits) / (size + trials)
  }

  private event(conversation: Conversation, name: EventName, replica: number): void {
    const before = conversation.seenBy[name]
    conversation.seenBy[name] = before | replica
    for (const counting of this.wanted) {
      const counts = counting === 'requests' ? true : counting === 'replicas' ? (before & replica) === 0 : before === 0
      if (counts) this.arm(counting, conversation).events[name] += 1
    }
  }

  private schedule(conversation: Conversation): void {
    const at = this.tick + 1 + floor(this.random.uniform() * longestGap)
    if (at >= this.ticks) return
    const due = this.calendar[at]
    if (due) due.push(conversation)
    else this.calendar[at] = [conversation]
  }

  private close(conversation: Conversation): void {
    for (const counting of this.wanted) {
      if (counting === 'requests') continue
      const arm = this.arm(counting, conversation)
      addMoments(arm, 'cost_usd', conversation.costUsd)
      addMoments(arm, 'uncached_cost_usd', conversation.costUsd)
      addMoments(arm, 'latency_ms', conversation.latencyMs / conversation.requests)
    }
  }

  private arm(counting: Counting, conversation: Conversation): Tally {
    const index = counting === 'pooled' ? 0 : counting === 'moment' ? this.step : conversation.stratum
    let stratum = this.strata[counting].find(({ seq }) => seq === index + 1)
    if (stratum === undefined) {
      stratum = emptyStratum(index + 1, this.scenario.steps[index]?.share ?? 0)
      this.strata[counting].push(stratum)
    }
    if (counting === 'pooled') stratum.share = this.exposure.candidates / this.exposure.conversations
    return conversation.onCandidate ? stratum.candidate : stratum.incumbent
  }
}

function addMoments(arm: Tally, name: ClosedValueName, value: number): void {
  const moments = arm.closed[name]
  const logarithm = log(value)
  moments.n += 1
  moments.sum += value
  moments.sumSquares += value * value
  moments.logSum += logarithm
  moments.logSumSquares += logarithm * logarithm
}

/** A stratum that nobody was counted in yet. */
export const emptyStratum = (seq: number, share: number): TallyStratum => ({
  environment: 'production',
  task: 'simulated',
  seq,
  slice: 0,
  share,
  by: 'conversation',
  candidate: emptyArm(),
  incumbent: emptyArm(),
})

const emptyMoments = () => ({ n: 0, sum: 0, sumSquares: 0, logSum: 0, logSumSquares: 0 })

const emptyArm = (): Tally => ({
  units: 0,
  requests: 0,
  costUsd: 0,
  uncachedCostUsd: 0,
  latencyMs: 0,
  inputTokens: 0,
  outputTokens: 0,
  errorRequests: 0,
  schemaFailureRequests: 0,
  events: { error: 0, schema_failure: 0, cost_exceeded: 0, latency_exceeded: 0 },
  closed: { cost_usd: emptyMoments(), uncached_cost_usd: emptyMoments(), latency_ms: emptyMoments() },
})
