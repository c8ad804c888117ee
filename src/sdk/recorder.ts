import { createHash } from 'node:crypto'
import type { EventName, LateEntry, LateOutcome, RequestRecord, TelemetryBatch, UnitReport } from '../domain/telemetry'
import { BoundedQueue } from './bounded-queue'
import type { Gap } from './held-snapshot'
import { type HeldUnit, HeldUnits, type Stratum } from './held-units'
import type { Serving } from './serving'
import { UsageList } from './usage-list'

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

/** What one request showed beside its record. */
export interface Seen {
  readonly events: readonly EventName[]
  readonly gap: boolean
  /** By watched field of the entry: what the output showed. */
  readonly outputs?: NonNullable<UnitReport['outputs']> | undefined
  /** When, by the monotonic clock. */
  readonly elapsedMs: number
}

/**
 * What this process has to tell: conversations as cumulative records, so that a lost or doubled batch changes nothing,
 * and the request log. Memory is bounded at any rate of traffic; nothing here waits or throws.
 */
export class Recorder {
  private readonly units = new HeldUnits()
  /** Each of `units` is in one of them. As the server has it: those give way first. */
  private readonly settled = new UsageList<HeldUnit>()
  /** Sent as it is, and not acknowledged yet. */
  private readonly sent = new UsageList<HeldUnit>()
  /** What the server has to be told, in the order in which that came about. */
  private readonly unsent = new UsageList<HeldUnit>()
  private readonly requests: BoundedQueue<RequestRecord>
  private readonly lateOutcomes: BoundedQueue<LateOutcome>
  private readonly late = new BoundedQueue<LateEntry>(batchBounds.late)
  private nextPart = 0
  private lost = 0
  private readonly bounds: RecorderBounds

  constructor(bounds: RecorderBounds = defaultBounds) {
    this.bounds = bounds
    this.requests = new BoundedQueue(bounds.requests)
    this.lateOutcomes = new BoundedQueue(bounds.lateOutcomes)
  }

  /** Records lost since the start, to keep memory bounded or because the server refused them. */
  get dropped(): number {
    return this.lost
  }

  /** Reports that could not be true, or that the server says could not. */
  countRefused(count = 1): void {
    this.lost += count
  }

  get pending(): boolean {
    return this.unsent.oldest !== undefined || this.requests.size + this.lateOutcomes.size + this.late.size > 0
  }

  record(serving: Serving, request: RequestRecord, seen: Seen): void {
    if (request.outcome !== 'filtered') this.addToUnit(serving, request, seen)
    this.lost += this.requests.push(request)
  }

  /** The conversation ended. Nothing to tell of one that this process did not report on, or forgot as acknowledged. */
  close(serving: Serving): void {
    const held = this.units.find(serving)
    if (held === undefined || held.report.closed) return
    held.report.closed = true
    this.touch(held, performance.now())
  }

  addLateOutcome(outcome: LateOutcome): void {
    this.lost += this.lateOutcomes.push(outcome)
  }

  /** Conversations that began in the gap are shown, never tested. */
  markGap(gap: Gap, late: LateEntry | undefined): void {
    if (late) this.lost += this.late.push(late)
    const now = performance.now()
    for (const held of this.units.values()) {
      const { startedAt, stratum, report } = held
      const within = startedAt !== undefined && gap.from <= startedAt && startedAt < gap.to
      if (!within || report.gap || stratum.task !== gap.task) continue
      report.gap = true
      this.touch(held, now)
    }
  }

  /** At most one batch's worth; undefined when there is nothing to tell. */
  take(share = 1): Taken | undefined {
    if (!this.pending) return undefined
    const part = (bound: number) => Math.max(1, Math.floor(bound * share))
    const units = this.unsent.oldestOf(part(batchBounds.units)).map((held) => {
      held.report.unit ||= unitHash(held.report.tenant, held.conversation)
      this.sent.use(held)
      return { held, sent: { ...held.report } }
    })
    const requests = this.requests.take(part(batchBounds.requests))
    const lateOutcomes = this.lateOutcomes.take(part(batchBounds.lateOutcomes))
    const late = this.late.take(batchBounds.late)
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
        for (const { held } of units) if (held.list === this.sent) this.unsent.use(held)
        this.lost += this.requests.putBack(requests) + this.lateOutcomes.putBack(lateOutcomes) + this.late.putBack(late)
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
    for (let held = this.settled.oldest; held && held.touchedAt <= before; held = this.settled.oldest) this.forget(held)
  }

  private addToUnit(serving: Serving, request: RequestRecord, { events, gap, outputs, elapsedMs }: Seen): void {
    const held = this.units.find(serving) ?? this.begin(serving)
    const { report } = held
    report.requests++
    if (request.outcome === 'error') report.errors++
    if (request.outcome === 'schema_failure') report.schemaFailures++
    report.costUsd += request.costUsd
    report.uncachedCostUsd += request.uncachedCostUsd
    report.latencyMs += request.latencyMs
    report.inputTokens += request.inputTokens
    report.cachedTokens += request.cachedTokens
    report.outputTokens += request.outputTokens
    if (events.length > 0 && events.some((event) => !report.events.includes(event)))
      report.events = [...new Set([...report.events, ...events])]
    report.gap ||= gap
    // The first value of a field stays: a conversation is evidence once.
    if (outputs) report.outputs = outputs.map((value, field) => report.outputs?.[field] ?? value)
    this.touch(held, elapsedMs)
  }

  private begin(serving: Serving): HeldUnit {
    this.makeRoom()
    const { task, seq, slice, arm, composite } = serving
    const held: HeldUnit = {
      stratum: { task, seq, slice, arm, composite: composite.id },
      conversation: serving.conversation,
      startedAt: serving.startedAt,
      report: {
        unit: '',
        tenant: serving.tenant,
        part: this.nextPart++,
        revision: 0,
        ...noCounts,
        events: [],
        closed: false,
        gap: false,
      },
      touchedAt: 0,
      list: undefined,
      older: undefined,
      newer: undefined,
      sibling: undefined,
    }
    this.units.add(held)
    return held
  }

  private touch(held: HeldUnit, elapsedMs: number): void {
    held.report.revision++
    held.touchedAt = elapsedMs
    // One that waits keeps its place: what goes on all the time would else never be sent by a server that is behind.
    if (held.list !== this.unsent) this.unsent.use(held)
  }

  private acknowledge(held: HeldUnit, revision: number): void {
    if (held.list !== this.sent || held.report.revision !== revision) return
    if (held.report.closed) this.forget(held)
    else this.settled.use(held)
  }

  private forget(held: HeldUnit): void {
    this.units.delete(held)
    held.list?.remove(held)
  }

  /** What the server has goes first; else the oldest, which is lost. */
  private makeRoom(): void {
    if (this.units.size < this.bounds.units) return
    const leaving = this.settled.oldest ?? this.sent.oldest ?? this.unsent.oldest
    if (leaving === undefined) return
    if (leaving.list !== this.settled) this.lost++
    this.forget(leaving)
  }
}

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
