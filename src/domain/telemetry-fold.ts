import { binOf, mergeSketches } from '../stats/quantile-sketch'
import { type QualityTotalName, type QualityValue, qualityStatsOf, qualityTotals } from './quality'
import {
  type ArmStats,
  type ClosedValueName,
  closedValueNames,
  type EventName,
  eventNames,
  type Moments,
  type UnitReport,
} from './telemetry'
import { type OutputTotalName, type OutputValue, outputStatsOf, outputTotals } from './telemetry-outputs'

/**
 * How reports of one conversation from many replicas become one unit, and what it adds to the totals of its stratum.
 * Money and time are kept as integers (nano-dollars, microseconds), so that sums are exact whatever the order.
 */
const counterNames = [
  'requests',
  'errors',
  'schemaFailures',
  'costNano',
  'uncachedNano',
  'latencyMicros',
  'inputTokens',
  'cachedTokens',
  'outputTokens',
] as const
type CounterName = (typeof counterNames)[number]
export type Counters = Readonly<Record<CounterName, number>>

const momentNames = ['n', 'sum', 'sumSquares', 'logSum', 'logSumSquares'] as const satisfies readonly (keyof Moments)[]
type MomentName = (typeof momentNames)[number]

type FixedTotalName =
  | 'units'
  | CounterName
  | `event_${EventName}`
  | `closed_${ClosedValueName}_${MomentName}`
  | OutputTotalName
export type TotalName = FixedTotalName | QualityTotalName

/** A sparse sum: an absent name is zero. Flat, so that a store can increment it name by name. */
export type Totals = Readonly<Partial<Record<FixedTotalName, number>> & Record<QualityTotalName, number>>

/**
 * Sealed units by value and bin of its quantile sketch, as `latency_ms:57`, so that a store can increment each. Apart from
 * the totals: a sketch is for display, and whoever judges neither reads it nor pays for reading it.
 */
export type Pictures = Readonly<Record<string, number>>

/** `tested`: what guardrails may look at. `gap`: units begun in a reported gap, for display, as all pictures are. */
export interface UnitContribution {
  readonly tested: Totals
  readonly gap: Totals
  readonly pictures: Pictures
}

/** What one reporter told: its finished parts summed, and the newest part at its highest revision. */
export interface ReporterPart {
  readonly part: number
  readonly revision: number
  readonly finished: Counters
  readonly current: Counters
  /** The API key that reports; absent in parts that are older than this field, as are its own events. */
  readonly key?: string
  readonly events?: readonly EventName[]
}

export interface UnitState {
  readonly tenant: string
  readonly parts: Readonly<Record<string, ReporterPart>>
  readonly events: readonly EventName[]
  readonly closed: boolean
  readonly gap: boolean
  /** Frozen when the unit was sealed: a value that is revised later has no place in a sequential test. */
  readonly sealed?: SealedValues
  /** What would have been sealed without one of several sources; see `telemetry-sources`. */
  readonly sealedWithout?: readonly { readonly source: string; readonly values: SealedValues }[]
  /** By watched field: the first value that arrived. Never revised, so that every unit is evidence once. */
  readonly outputs?: readonly (OutputValue | null)[]
  /** By custom metric that the entry watches: the first value that was told. */
  readonly quality?: Readonly<Record<string, QualityValue>>
}

/** Empty for a unit without any request. */
export type SealedValues = Readonly<Partial<Record<ClosedValueName, number>>>

export interface Merged {
  readonly unit: UnitState
  readonly delta: UnitContribution
  readonly changed: boolean
  /** The report came from one reporter too many and was not taken. */
  readonly full: boolean
}

/** Reporters whose parts one unit keeps. */
export const maxReportersPerUnit = 64

/** Below these, logarithms are taken of the floor: USD for costs, milliseconds for latency. */
export const logFloors: Readonly<Record<ClosedValueName, number>> = {
  cost_usd: 1e-6,
  uncached_cost_usd: 1e-6,
  latency_ms: 1,
}

const nothing: UnitContribution = { tested: {}, gap: {}, pictures: {} }

/**
 * Takes one report into a unit. Idempotent and free of order: a part is replaced only by a higher revision of itself, no
 * count of which falls, events are a union, `closed` and `gap` never go back. `delta` is exactly what the stratum's totals change by.
 */
export function mergeUnit(existing: UnitState | undefined, reporter: string, report: UnitReport, key?: string): Merged {
  const before = existing ?? { tenant: report.tenant, parts: {}, events: [], closed: false, gap: false }
  // Reporters name themselves: one named like a member of every object is one like any other.
  const known = Object.hasOwn(before.parts, reporter) ? before.parts[reporter] : undefined
  if (known === undefined && Object.keys(before.parts).length >= maxReportersPerUnit) {
    return { unit: before, delta: nothing, changed: false, full: true }
  }
  const part = mergePart(known, report, key)
  const events = unionOf(before.events, report.events)
  const closed = before.closed || report.closed
  const gap = before.gap || report.gap
  const outputs = firstOutputs(before.outputs, report.outputs)
  const changed =
    part !== known ||
    events.length !== before.events.length ||
    closed !== before.closed ||
    gap !== before.gap ||
    outputs !== before.outputs
  if (!changed) return { unit: before, delta: nothing, changed, full: false }
  const told = outputs === undefined ? {} : { outputs }
  const unit = { ...before, parts: { ...before.parts, [reporter]: part }, events, closed, gap, ...told }
  return { unit, delta: difference(contributionOf(unit), contributionOf(existing)), changed, full: false }
}

/** A later part means that the reporter saw the earlier one acknowledged: it is final and joins the finished sum. */
function mergePart(known: ReporterPart | undefined, report: UnitReport, key: string | undefined): ReporterPart {
  const { part, revision } = report
  const fresh = { part, revision, current: countersOf(report), ...(key === undefined ? {} : { key }) }
  if (known === undefined) return { ...fresh, finished: noCounters, events: unionOf([], report.events) }
  // A part from before its events were kept apart is taken to have told all that its unit knows.
  const events = known.events === undefined ? {} : { events: unionOf(known.events, report.events) }
  if (part < known.part || (part === known.part && revision <= known.revision)) {
    return events.events === undefined || events.events.length === known.events?.length
      ? known
      : { ...known, ...events }
  }
  if (part > known.part) return { ...fresh, finished: sumCounters(known.finished, known.current), ...events }
  return { ...fresh, finished: known.finished, current: largest(known.current, fresh.current), ...events }
}

const unionOf = (left: readonly EventName[], right: readonly EventName[]): readonly EventName[] =>
  eventNames.filter((name) => left.includes(name) || right.includes(name))

/** What was told first stays; a field that was silent takes what comes. The same list where nothing is new. */
function firstOutputs(before: UnitState['outputs'], told: UnitReport['outputs']): UnitState['outputs'] {
  if (told === undefined || told.every((value, field) => value === null || before?.[field])) return before
  const fields = Math.max(before?.length ?? 0, told.length)
  return Array.from({ length: fields }, (_, field) => before?.[field] ?? told[field] ?? null)
}

/** Takes a value of a custom metric into a unit that is known. The first one stays: a later one changes nothing. */
export function tellQuality(
  unit: UnitState,
  metric: string,
  told: QualityValue,
): { readonly unit: UnitState; readonly delta: UnitContribution } {
  if (unit.quality !== undefined && Object.hasOwn(unit.quality, metric)) return { unit, delta: nothing }
  const after = { ...unit, quality: { ...unit.quality, [metric]: told } }
  return { unit: after, delta: difference(contributionOf(after), contributionOf(unit)) }
}

/** Freezes the values of a unit, once. `delta` adds them to the moments of its stratum. */
export function sealUnit(unit: UnitState): { readonly unit: UnitState; readonly delta: UnitContribution } {
  if (unit.sealed) return { unit, delta: nothing }
  const without = sourcesOf(unit).flatMap((source) => {
    const rest = partsWithout(unit, source)
    return rest.length === 0 ? [] : [{ source, values: valuesOf(countersOfParts(rest)) }]
  })
  const sealed = {
    ...unit,
    closed: true,
    sealed: valuesOf(countersOfUnit(unit)),
    ...(without.length === 0 ? {} : { sealedWithout: without }),
  }
  return { unit: sealed, delta: difference(contributionOf(sealed), contributionOf(unit)) }
}

function valuesOf(counters: Counters): SealedValues {
  if (counters.requests === 0) return {}
  return {
    cost_usd: counters.costNano / 1e9,
    uncached_cost_usd: counters.uncachedNano / 1e9,
    latency_ms: counters.latencyMicros / 1e3 / counters.requests,
  }
}

/** All that a unit adds to its stratum. */
export function contributionOf(unit: UnitState | undefined): UnitContribution {
  if (unit === undefined) return nothing
  const totals: Record<string, number> = { units: 1, ...countersOfUnit(unit) }
  for (const name of unit.events) totals[`event_${name}`] = 1
  for (const name of closedValueNames) {
    const value = unit.sealed?.[name]
    if (value === undefined) continue
    for (const [moment, addend] of Object.entries(momentsOf(name, value))) totals[`closed_${name}_${moment}`] = addend
  }
  Object.assign(totals, outputTotals(unit.outputs), qualityTotals(unit.quality))
  const pictures = picturesOf(unit.sealed ?? {})
  return unit.gap ? { tested: {}, gap: totals, pictures } : { tested: totals, gap: {}, pictures }
}

/** Values of which percentiles are shown. */
export const picturedValues = ['cost_usd', 'latency_ms'] as const satisfies readonly ClosedValueName[]
export type PicturedValue = (typeof picturedValues)[number]

function picturesOf(sealed: SealedValues): Pictures {
  const pictured = picturedValues.flatMap((name) => {
    const value = sealed[name]
    return value === undefined ? [] : [[`${name}:${binOf(value)}`, 1] as const]
  })
  return Object.fromEntries(pictured)
}

/** The moments of a single value. */
export function momentsOf(name: ClosedValueName, value: number): Moments {
  const log = Math.log(Math.max(value, logFloors[name]))
  return { n: 1, sum: value, sumSquares: value * value, logSum: log, logSumSquares: log * log }
}

export function sumTotals(left: Totals, right: Totals): Totals {
  const sum: Record<string, number> = { ...left }
  for (const [name, value] of Object.entries(right) as [TotalName, number][]) sum[name] = (sum[name] ?? 0) + value
  return sum
}

export const sumContributions = (left: UnitContribution, right: UnitContribution): UnitContribution => ({
  tested: sumTotals(left.tested, right.tested),
  gap: sumTotals(left.gap, right.gap),
  pictures: mergeSketches(left.pictures, right.pictures),
})

/** The names whose sum changed, and by how much. */
export function minusTotals(after: Totals, before: Totals): Totals {
  const rest: Record<string, number> = {}
  for (const name of new Set([...Object.keys(after), ...Object.keys(before)]) as Set<TotalName>) {
    const change = (after[name] ?? 0) - (before[name] ?? 0)
    if (change !== 0) rest[name] = change
  }
  return rest
}

const difference = (after: UnitContribution, before: UnitContribution): UnitContribution => ({
  tested: minusTotals(after.tested, before.tested),
  gap: minusTotals(after.gap, before.gap),
  pictures: minusTotals(after.pictures as Totals, before.pictures as Totals) as Pictures,
})

/** The totals as guardrails read them. */
export function armStatsOf(totals: Totals): ArmStats {
  const total = (name: TotalName): number => totals[name] ?? 0
  const moments = (value: ClosedValueName): Moments =>
    Object.fromEntries(momentNames.map((moment) => [moment, total(`closed_${value}_${moment}`)])) as unknown as Moments
  return {
    units: total('units'),
    requests: total('requests'),
    costUsd: total('costNano') / 1e9,
    uncachedCostUsd: total('uncachedNano') / 1e9,
    latencyMs: total('latencyMicros') / 1e3,
    inputTokens: total('inputTokens'),
    outputTokens: total('outputTokens'),
    errorRequests: total('errors'),
    schemaFailureRequests: total('schemaFailures'),
    events: Object.fromEntries(eventNames.map((name) => [name, total(`event_${name}`)])) as Record<EventName, number>,
    closed: Object.fromEntries(closedValueNames.map((name) => [name, moments(name)])) as Record<
      ClosedValueName,
      Moments
    >,
    ...outputStatsOf(totals),
    ...qualityStatsOf(totals),
  }
}

const noCounters = Object.fromEntries(counterNames.map((name) => [name, 0])) as unknown as Counters

const countersOf = (report: UnitReport): Counters => ({
  requests: report.requests,
  errors: report.errors,
  schemaFailures: report.schemaFailures,
  costNano: Math.round(report.costUsd * 1e9),
  uncachedNano: Math.round(report.uncachedCostUsd * 1e9),
  latencyMicros: Math.round(report.latencyMs * 1e3),
  inputTokens: report.inputTokens,
  cachedTokens: report.cachedTokens,
  outputTokens: report.outputTokens,
})

/** Written out: it runs for every unit of every batch, and an object made of pairs takes several times as long. */
const sumCounters = (left: Counters, right: Counters): Counters => ({
  requests: left.requests + right.requests,
  errors: left.errors + right.errors,
  schemaFailures: left.schemaFailures + right.schemaFailures,
  costNano: left.costNano + right.costNano,
  uncachedNano: left.uncachedNano + right.uncachedNano,
  latencyMicros: left.latencyMicros + right.latencyMicros,
  inputTokens: left.inputTokens + right.inputTokens,
  cachedTokens: left.cachedTokens + right.cachedTokens,
  outputTokens: left.outputTokens + right.outputTokens,
})

/** Within a part counts only grow. One that took back what it told would hide what others tell now from a budget. */
const largest = (left: Counters, right: Counters): Counters => ({
  requests: Math.max(left.requests, right.requests),
  errors: Math.max(left.errors, right.errors),
  schemaFailures: Math.max(left.schemaFailures, right.schemaFailures),
  costNano: Math.max(left.costNano, right.costNano),
  uncachedNano: Math.max(left.uncachedNano, right.uncachedNano),
  latencyMicros: Math.max(left.latencyMicros, right.latencyMicros),
  inputTokens: Math.max(left.inputTokens, right.inputTokens),
  cachedTokens: Math.max(left.cachedTokens, right.cachedTokens),
  outputTokens: Math.max(left.outputTokens, right.outputTokens),
})

const countersOfParts = (parts: readonly ReporterPart[]): Counters =>
  parts.reduce((sum, { finished, current }) => sumCounters(sumCounters(sum, finished), current), noCounters)

const countersOfUnit = (unit: UnitState): Counters => countersOfParts(Object.values(unit.parts))

/** Who can be left out of a unit: `reporter/<id>` and `key/<name>` of each part. */
export function sourcesOf(unit: UnitState): readonly string[] {
  const names = Object.entries(unit.parts).flatMap(([reporter, { key }]) => [
    `reporter/${reporter}`,
    ...(key === undefined ? [] : [`key/${key}`]),
  ])
  const tellers = Object.values(unit.quality ?? {}).flatMap(({ sources }) => sources)
  return [...new Set([...names, ...tellers])]
}

const partsWithout = (unit: UnitState, source: string): readonly ReporterPart[] =>
  Object.entries(unit.parts).flatMap(([reporter, part]) =>
    `reporter/${reporter}` === source || (part.key !== undefined && `key/${part.key}` === source) ? [] : [part],
  )

/** The unit as the others tell it; undefined where nobody else knows it. */
function unitWithout(unit: UnitState, source: string): UnitState | undefined {
  const parts = partsWithout(unit, source)
  if (parts.length === 0) return undefined
  const told = (name: EventName) => parts.some(({ events = unit.events }) => events.includes(name))
  const sealed = unit.sealedWithout?.find((row) => row.source === source)?.values ?? unit.sealed
  return {
    ...unit,
    parts: Object.fromEntries(parts.map((part, index) => [index, part])),
    events: eventNames.filter(told),
    ...(unit.quality === undefined ? {} : { quality: qualityWithout(unit.quality, source) }),
    ...(sealed === undefined ? {} : { sealed }),
  }
}

const qualityWithout = (
  quality: NonNullable<UnitState['quality']>,
  source: string,
): NonNullable<UnitState['quality']> =>
  Object.fromEntries(Object.entries(quality).filter(([, { sources }]) => !sources.includes(source)))

/** What the tested totals of a stratum would lose if the source had never reported this unit. */
export const lostWithout = (unit: UnitState | undefined, source: string): Totals =>
  unit === undefined ? {} : minusTotals(contributionOf(unit).tested, contributionOf(unitWithout(unit, source)).tested)

/** How a change of a unit changes what would be lost without each of its sources. */
export function sourceDeltas(before: UnitState | undefined, after: UnitState): readonly (readonly [string, Totals])[] {
  return sourcesOf(after).flatMap((source) => {
    const change = minusTotals(lostWithout(after, source), lostWithout(before, source))
    return Object.keys(change).length === 0 ? [] : [[source, change] as const]
  })
}
