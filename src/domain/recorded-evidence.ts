import { sameJson } from './diff'
import type { AssessmentInput, Spend } from './guardrail'
import type { TenantsOfInterest } from './live-evidence'
import type { BreakerPolicy, GuardrailRole, OutputPolicy, Policy } from './policy'
import { planSteps } from './rollout'
import type { ArmStats, StratumStats } from './telemetry'
import { maxHarmOf, maxWatchedTenants } from './tenant-harm'

/** Evidence as one decision recorded it, with what must be known of its moment. */
export interface RecordedEvidence {
  readonly input: AssessmentInput
  /** The step in force, by name; absent before the first. */
  readonly step?: string
  /** From the moment at which that step was appended, pauses included. */
  readonly elapsedMs?: number
}

/** What a policy asks for and the evidence does not hold: nothing is said of it. */
export interface NotRecorded {
  /** The verdict's name; `step` for the rule that a step may be followed. */
  readonly name: string
  /** Which one, of several verdicts of that name. */
  readonly nth: number
  readonly what: string
}

export interface RecastEvidence {
  readonly input: AssessmentInput
  readonly missing: readonly NotRecorded[]
}

type ErrorBreaker = Extract<BreakerPolicy, { kind: 'errors' }>

/**
 * The same evidence for another policy: what both ask for is put where the other one looks for it, and what was never
 * recorded is named. Traffic stays as it was: other shares would have brought other traffic, and nobody knows which.
 */
export function recast(recorded: RecordedEvidence, policy: Policy): RecastEvidence {
  const { input } = recorded
  const windows = recastWindows(input, policy)
  const spend = recastSpend(input, policy)
  const outputs = recastOutputs(input, policy)
  const tenants = recastTenants(input, policy)
  const step = recastStep(recorded, policy)
  const probes = recastProbes(input, policy)
  const missing = [
    ...windows.missing,
    ...missingSpend(input.policy, policy),
    ...missingCustom(input.policy, policy),
    ...probes.missing,
    ...outputs.missing,
    ...tenants.missing,
    ...missingBeforeAfter(input.policy, policy),
    ...step.missing,
  ]
  const { tenants: _tenants, step: _step, readings: _readings, ...rest } = input
  return {
    input: {
      ...rest,
      policy: muted(policy, missing),
      strata: outputs.strata,
      windows: windows.windows,
      spend,
      ...(windows.sources === undefined ? {} : { sources: windows.sources }),
      ...(tenants.tenants === undefined ? {} : { tenants: tenants.tenants }),
      ...(step.step === undefined ? {} : { step: step.step }),
      ...(probes.readings === undefined ? {} : { readings: probes.readings }),
    },
    missing,
  }
}

/** What cannot be judged neither acts nor stands in the way of an advance; its share of alpha stays its own. */
function muted(policy: Policy, missing: readonly NotRecorded[]): Policy {
  const names = new Set(missing.map(({ name }) => name))
  const mute = <T extends { readonly role: GuardrailRole }>(rule: T, name: string): T =>
    names.has(name) ? { ...rule, role: 'notify' } : rule
  const { probes, outputs } = policy
  return {
    ...policy,
    guardrails: policy.guardrails.map((rule) => mute(rule, rule.metric)),
    ...(probes === undefined ? {} : { probes: probes.map((rule) => mute(rule, `probe:${rule.name}`)) }),
    ...(outputs === undefined ? {} : { outputs: outputs.map((rule) => mute(rule, `output:${rule.field}`)) }),
  }
}

/** A custom metric is told only where the entries name it; its sums serve any mean, its failures one mark alone. */
function missingCustom(made: Policy, policy: Policy): readonly NotRecorded[] {
  return policy.guardrails.flatMap(({ metric, custom }) => {
    if (custom === undefined) return []
    const isTold = made.guardrails.some(
      (one) => one.metric === metric && one.custom && ('mean' in custom || sameJson(one.custom, custom)),
    )
    return isTold ? [] : [{ name: metric, nth: 0, what: `values of ${metric}, with this mark` }]
  })
}

/** One reading per probe, found by what was asked and of whom. */
function recastProbes({ policy: made, readings }: AssessmentInput, policy: Policy) {
  const known = made.probes ?? []
  const wanted = policy.probes ?? []
  const places = wanted.map(({ provider, endpoint, query }) =>
    known.findIndex((one) => one.provider === provider && one.endpoint === endpoint && one.query === query),
  )
  return {
    ...(readings === undefined ? {} : { readings: places.map((place) => readings[place] ?? {}) }),
    missing: wanted.flatMap(({ name }, index): readonly NotRecorded[] =>
      (places[index] ?? -1) >= 0 ? [] : [{ name: `probe:${name}`, nth: 0, what: 'an answer to this query' }],
    ),
  }
}

const errorBreakers = ({ breakers }: Policy): readonly ErrorBreaker[] =>
  breakers.filter((breaker): breaker is ErrorBreaker => breaker.kind === 'errors')

function recastWindows({ policy: made, windows, sources }: AssessmentInput, policy: Policy) {
  const known = errorBreakers(made)
  const wanted = errorBreakers(policy)
  const places = wanted.map((breaker) => known.findIndex((one) => sameWindow(one, breaker)))
  return {
    windows: wanted.map(({ windowMs }, index) => windows[places[index] ?? -1] ?? emptyWindow(windowMs)),
    sources: sources?.map((source) => ({
      ...source,
      windows: places.map((place) => source.windows[place] ?? { requests: 0, errors: 0 }),
    })),
    missing: wanted.flatMap(({ windowMs }, nth): readonly NotRecorded[] => {
      if (windows[places[nth] ?? -1] !== undefined) return []
      return [{ name: 'error_breaker', nth, what: `errors within ${windowMs / 1_000} s, counted like this` }]
    }),
  }
}

const emptyWindow = (windowMs: number) => ({ windowMs, requests: 0, errors: 0, costUsd: 0 })

const sameWindow = (left: ErrorBreaker, right: ErrorBreaker): boolean =>
  left.windowMs === right.windowMs && sameJson([...left.events].sort(), [...right.events].sort())

/** Read only for a policy that has a budget: what stands there without one is no sum. */
function recastSpend({ spend }: AssessmentInput, policy: Policy): Spend {
  const { topTenant, ...sums } = spend
  return asksByTenant(policy) && topTenant !== undefined ? { ...sums, topTenant } : sums
}

const budgets = ({ breakers }: Policy) => breakers.flatMap((breaker) => (breaker.kind === 'budget' ? [breaker] : []))
const asksByTenant = (policy: Policy): boolean => budgets(policy).some(({ usdPerTenant }) => usdPerTenant !== undefined)

function missingSpend(made: Policy, policy: Policy): readonly NotRecorded[] {
  const hasSums = budgets(made).length > 0
  const unknown = (name: string, what: string, limits: readonly (number | undefined)[], known: boolean) =>
    known ? [] : limits.filter((limit) => limit !== undefined).map((_, nth) => ({ name, nth, what }))
  const asked = budgets(policy)
  const perHour = asked.map(({ usdPerHour }) => usdPerHour)
  const perRelease = asked.map(({ usdPerRelease }) => usdPerRelease)
  const perTenant = asked.map(({ usdPerTenant }) => usdPerTenant)
  return [
    ...unknown('budget_per_hour', 'what the candidate spent in an hour', perHour, hasSums),
    ...unknown('budget_per_release', 'what the candidate spent', perRelease, hasSums),
    ...unknown('budget_per_tenant', 'what the candidate spent by tenant', perTenant, asksByTenant(made)),
  ]
}

/** Applications told of the fields that the entries name; each is found by its name and its classes. */
function recastOutputs({ strata }: AssessmentInput, policy: Policy) {
  const wanted = policy.outputs ?? []
  // Where the tenant is the unit, outputs are told for no policy.
  const compared = strata.filter(({ share, by }) => share > 0 && share < 1 && by === 'conversation')
  return {
    strata: strata.map((stratum) => withOutputs(stratum, wanted)),
    missing: wanted.flatMap((output): readonly NotRecorded[] =>
      compared.every((stratum) => placeOf(stratum, output) >= 0)
        ? []
        : [{ name: `output:${output.field}`, nth: 0, what: `the field ${output.field}, told like this` }],
    ),
  }
}

const placeOf = ({ outputs = [] }: StratumStats, { field, classes }: OutputPolicy): number =>
  outputs.findIndex((one) => one.field === field && sameJson(one.classes ?? null, classes ?? null))

function withOutputs(stratum: StratumStats, wanted: readonly OutputPolicy[]): StratumStats {
  const { outputs: _told, ...rest } = stratum
  if (wanted.length === 0) return rest
  const places = wanted.map((output) => placeOf(stratum, output))
  // A field that nobody told of keeps its place under a name that no policy can give.
  const outputs = wanted.map(({ field, classes }, index) => ({
    field: (places[index] ?? -1) < 0 ? '' : field,
    ...(classes === undefined ? {} : { classes }),
  }))
  return {
    ...rest,
    outputs,
    candidate: movedOutputs(stratum.candidate, places),
    incumbent: movedOutputs(stratum.incumbent, places),
  }
}

function movedOutputs(arm: ArmStats, places: readonly number[]): ArmStats {
  const { outputs, ...rest } = arm
  if (outputs === undefined) return arm
  return { ...rest, outputs: { classes: moved(outputs.classes, places), numbers: moved(outputs.numbers, places) } }
}

const moved = <T>(by: Readonly<Record<string, T>>, places: readonly number[]): Readonly<Record<string, T>> =>
  Object.fromEntries(
    places.flatMap((place, index) => {
      const value = by[place]
      return value === undefined ? [] : [[String(index), value] as const]
    }),
  )

/** Tenants are recorded from the minimum of the policy on, the two hundred with most events. */
function recastTenants({ tenants, policy: made }: AssessmentInput, policy: Policy) {
  const missing = [{ name: 'max_harm', nth: 0, what: 'events by tenant, from so few on' }]
  if (tenants === undefined) return { missing }
  const before = maxHarmOf(made).minimumEvents
  const { minimumEvents } = maxHarmOf(policy)
  if (minimumEvents === before) return { tenants, missing: [] }
  if (minimumEvents < before) return { tenants, missing }
  const watched = tenants.watched.filter((tenant) => eventsOf(tenant) >= minimumEvents)
  const isWhole = tenants.watched.length < maxWatchedTenants || watched.length < tenants.watched.length
  return { tenants: { watched, eligible: watched.length }, missing: isWhole ? [] : missing }
}

const eventsOf = ({ strata }: TenantsOfInterest['watched'][number]): number =>
  strata
    .flatMap(({ candidate, incumbent }) => [...Object.values(candidate), ...Object.values(incumbent)])
    .reduce((sum, count) => sum + count, 0)

/** Looks are counted for one metric; margin, minimum and alpha are read of them later. */
function missingBeforeAfter({ beforeAfter: made }: Policy, { beforeAfter: wanted }: Policy): readonly NotRecorded[] {
  if (wanted === undefined || made?.metric === wanted.metric) return []
  return [{ name: 'before_after', nth: 0, what: `${wanted.metric} by tenant, before and after` }]
}

/** Sample and bake as the other policy has them for the step of the same name. */
function recastStep({ input, step: name, elapsedMs }: RecordedEvidence, policy: Policy) {
  const { step, hasIncumbent } = input
  if (step === undefined) return { missing: [] }
  const own = planSteps(input.policy, hasIncumbent).find((planned) => planned.name === name)
  const other = planSteps(policy, hasIncumbent).find((planned) => planned.name === name)
  if (own === undefined || other === undefined) {
    return { step, missing: [{ name: 'step', nth: 0, what: `a step named ${name ?? 'like this'}` }] }
  }
  const bakedAsLong = other.bakeMs + policy.leadMs <= own.bakeMs + input.policy.leadMs
  const baked = bakedAsLong || (elapsedMs !== undefined && elapsedMs >= other.bakeMs + policy.leadMs)
  const minimumSample = own.minimumSample === other.minimumSample ? step.minimumSample : other.minimumSample
  return { step: { ...step, minimumSample, bakeComplete: step.bakeComplete && baked }, missing: [] }
}
