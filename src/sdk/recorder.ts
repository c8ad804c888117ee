import { createHash } from 'node:crypto'
import type {
  EventName,
  LateEntry,
  LateOutcome,
  Outcome,
  RequestRecord,
  StratumKey,
  TelemetryBatch,
  UnitReport,
} from '../domain/telemetry'
import type { Gap } from './held-snapshot'
import type { Amounts } from './report'
import type { Serving } from './serving'

/** Bounds of what one process keeps. At the bound the oldest goes first, and is counted in `dropped`. */
export interface RecorderBounds {
  readonly units: number
  readonly requests: number
  readonly lateOutcomes: number
}

export const defaultBounds: RecorderBounds = { units: 50_000, requests: 10_000, lateOutcomes: 10_000 }
export const batchBounds = { units: 1_000, requests: 1_000, lateOutcomes: 1_000, late: 100 }

/** An idle conversation is forgotten after this long; the server closes it by then. */
const idleMs = 10 * 60_000

type MutableUnit = { -readonly [K in keyof UnitReport]: UnitReport[K] }
type Stratum = Omit<StratumKey, 'environment'>

interface Held {
  readonly key: string
  readonly stratum: Stratum
  readonly startedAt: number | undefined
  readonly report: MutableUnit
  /** The highest revision that the server has. */
  acked: number
  touchedAt: number
}

/** What was taken for one batch, with what to do when its fate is known. */
export interface Taken {
  readonly content: Pick<TelemetryBatch, 'strata' | 'requests' | 'late' | 'lateOutcomes'>
  readonly size: number
  acknowledged(): void
  /** Back into the queue; it is sent again. */
  returned(): void
  /** The server refused it for good. */
  refused(): void
}

/** One request to be recorded. */
export interface Recorded {
  readonly requestId: string
  readonly at: number
  readonly outcome: Outcome
  readonly amounts: Amounts
  readonly events: readonly EventName[]
  readonly gap: boolean
  /** By watched field of the entry: what the output showed. */
  readonly outputs?: NonNullable<UnitReport['outputs']>
  readonly model?: string
  readonly fingerprint?: string
  readonly branch?: string
}

/**
 * What this process has to tell: conversations as cumulative records, so that a lost or doubled batch changes nothing,
 * and the request log. Memory is bounded at any rate of traffic; nothing here waits or throws.
 */
export class Recorder {
  /** The least recently used first. */
  private readonly units = new Map<string, Held>()
  private readonly unsent = new Set<Held>()
  private requests: RequestRecord[] = []
  private lateOutcomes: LateOutcome[] = []
  private late: LateEntry[] = []
  private nextPart = 0
  private lost = 0
  private readonly bounds: RecorderBounds

  constructor(bounds: RecorderBounds = defaultBounds) {
    this.bounds = bounds
  }

  /** Records lost since the start, to keep memory bounded or because the server refused them. */
  get dropped(): number {
    return this.lost
  }

  /** A report that could not be true. */
  countRefused(): void {
    this.lost++
  }

  get pending(): boolean {
    return this.unsent.size + this.requests.length + this.lateOutcomes.length + this.late.length > 0
  }

  record(serving: Serving, request: Recorded): void {
    if (request.outcome !== 'filtered') this.addToUnit(serving, request)
    this.requests.push(logged(serving, request))
    this.lost += trim(this.requests, this.bounds.requests)
  }

  /** The conversation ended. Nothing to tell of one that this process did not report on, or forgot as acknowledged. */
  close(serving: Serving): void {
    const held = this.units.get(keyOf(serving))
    if (held === undefined || held.report.closed) return
    held.report.closed = true
    this.touch(held)
  }

  addLateOutcome(outcome: LateOutcome): void {
    this.lateOutcomes.push(outcome)
    this.lost += trim(this.lateOutcomes, this.bounds.lateOutcomes)
  }

  /** Conversations that began in the gap are shown, never tested. */
  markGap(gap: Gap, late: LateEntry | undefined): void {
    if (late) this.late.push(late)
    this.lost += trim(this.late, batchBounds.late)
    for (const held of this.units.values()) {
      const { startedAt, stratum, report } = held
      const within = startedAt !== undefined && gap.from <= startedAt && startedAt < gap.to
      if (!within || report.gap || stratum.task !== gap.task) continue
      report.gap = true
      this.touch(held)
    }
  }

  /** At most one batch's worth; undefined when there is nothing to tell. */
  take(share = 1): Taken | undefined {
    if (!this.pending) return undefined
    const part = (bound: number) => Math.max(1, Math.floor(bound * share))
    const units = [...first(this.unsent, part(batchBounds.units))].map((held) => ({ held, sent: { ...held.report } }))
    for (const { held } of units) this.unsent.delete(held)
    const requests = this.requests.splice(0, part(batchBounds.requests))
    const lateOutcomes = this.lateOutcomes.splice(0, part(batchBounds.lateOutcomes))
    const late = this.late.splice(0)
    const settle = (): void => {
      for (const { held, sent } of units) this.acknowledge(held, sent.revision)
    }
    const size = units.length + requests.length + lateOutcomes.length
    return {
      content: {
        strata: grouped(units.map(({ held, sent }) => ({ stratum: held.stratum, sent }))),
        requests,
        lateOutcomes,
        late,
      },
      size,
      acknowledged: settle,
      returned: () => {
        for (const { held } of units) if (this.units.get(held.key) === held) this.unsent.add(held)
        this.requests = [...requests, ...this.requests]
        this.lateOutcomes = [...lateOutcomes, ...this.lateOutcomes]
        this.late = [...late, ...this.late]
        this.lost += trim(this.requests, this.bounds.requests) + trim(this.lateOutcomes, this.bounds.lateOutcomes)
        this.lost += trim(this.late, batchBounds.late)
      },
      refused: () => {
        settle()
        this.lost += size
      },
    }
  }

  /** Forgets idle conversations that the server has. Call it now and then. */
  forgetIdle(): void {
    const before = performance.now() - idleMs
    for (const held of this.units.values()) {
      if (held.touchedAt > before) return
      if (held.acked === held.report.revision) this.units.delete(held.key)
    }
  }

  private addToUnit(serving: Serving, { outcome, amounts, events, gap, outputs }: Recorded): void {
    const held = this.units.get(keyOf(serving)) ?? this.begin(serving)
    const { report } = held
    report.requests++
    if (outcome === 'error') report.errors++
    if (outcome === 'schema_failure') report.schemaFailures++
    report.costUsd += amounts.costUsd
    report.uncachedCostUsd += amounts.uncachedCostUsd
    report.latencyMs += amounts.latencyMs
    report.inputTokens += amounts.inputTokens
    report.cachedTokens += amounts.cachedTokens
    report.outputTokens += amounts.outputTokens
    if (events.some((event) => !report.events.includes(event)))
      report.events = [...new Set([...report.events, ...events])]
    report.gap ||= gap
    // The first value of a field stays: a conversation is evidence once.
    if (outputs) report.outputs = outputs.map((value, field) => report.outputs?.[field] ?? value)
    this.touch(held)
  }

  private begin(serving: Serving): Held {
    this.makeRoom()
    const { task, seq, slice, arm, composite } = serving
    const held: Held = {
      key: keyOf(serving),
      stratum: { task, seq, slice, arm, composite: composite.id },
      startedAt: serving.startedAt,
      report: {
        unit: unitHash(serving.tenant, serving.conversation),
        tenant: serving.tenant,
        part: this.nextPart++,
        revision: 0,
        ...noCounts,
        events: [],
        closed: false,
        gap: false,
      },
      acked: 0,
      touchedAt: 0,
    }
    return held
  }

  private touch(held: Held): void {
    held.report.revision++
    held.touchedAt = performance.now()
    this.units.delete(held.key)
    this.units.set(held.key, held)
    this.unsent.add(held)
  }

  private acknowledge(held: Held, revision: number): void {
    held.acked = Math.max(held.acked, revision)
    const done = held.acked === held.report.revision && held.report.closed
    if (done && this.units.get(held.key) === held) this.units.delete(held.key)
  }

  /** Acknowledged conversations go first, the oldest of those looked at; else the oldest, which is lost. */
  private makeRoom(): void {
    if (this.units.size < this.bounds.units) return
    let oldest: Held | undefined
    for (const held of first(this.units.values(), maxLookedAt)) {
      oldest ??= held
      if (held.acked !== held.report.revision) continue
      this.units.delete(held.key)
      return
    }
    if (oldest === undefined) return
    this.units.delete(oldest.key)
    this.unsent.delete(oldest)
    this.lost++
  }
}

const maxLookedAt = 64

const noCounts = {
  requests: 0,
  errors: 0,
  schemaFailures: 0,
  costUsd: 0,
  uncachedCostUsd: 0,
  latencyMs: 0,
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
}

/** NUL cannot occur in ids, so no two conversations share a text. First 64 bits of SHA-256, as 16 hex digits. */
export const unitHash = (tenant: string, conversation: string): string =>
  createHash('sha256').update(`${tenant}\0${conversation}`).digest('hex').slice(0, 16)

const keyOf = ({ task, seq, slice, arm, composite, tenant, conversation }: Serving): string =>
  `${seq}/${slice}/${arm}/${composite.id}/${task}\0${tenant}\0${conversation}`

/** Takes the oldest away until the list fits; how many went. */
function trim(list: unknown[], bound: number): number {
  return list.length > bound ? list.splice(0, list.length - bound).length : 0
}

function* first<T>(items: Iterable<T>, count: number): Iterable<T> {
  let left = count
  for (const item of items) {
    if (left-- <= 0) return
    yield item
  }
}

function grouped(rows: readonly { stratum: Stratum; sent: UnitReport }[]): TelemetryBatch['strata'] {
  const strata = new Map<string, Stratum & { units: UnitReport[] }>()
  for (const { stratum, sent } of rows) {
    const key = `${stratum.seq}/${stratum.slice}/${stratum.arm}/${stratum.composite}/${stratum.task}`
    const known = strata.get(key)
    if (known) known.units.push(sent)
    else strata.set(key, { ...stratum, units: [sent] })
  }
  return [...strata.values()]
}

function logged(serving: Serving, request: Recorded): RequestRecord {
  const { requestId, at, outcome, amounts, model, fingerprint, branch } = request
  const { task, seq, slice, arm, tenant, conversation, reason, binding, cacheAgeMs, headSeq, tenantSeq, stale } =
    serving
  return {
    requestId,
    task,
    seq,
    slice,
    arm,
    composite: serving.composite.id,
    tenant,
    conversation,
    reason,
    binding,
    at,
    outcome,
    ...amounts,
    cacheAgeMs,
    headSeq,
    tenantSeq,
    stale,
    ...(model === undefined ? {} : { model }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(branch === undefined ? {} : { branch }),
  }
}
