import type { DatasetContent, SuiteContent } from '../domain/contents'
import { isVetoed, type LaneState, laneName } from '../domain/lane'
import { isExceedance } from '../domain/metric'
import {
  type BlastRadius,
  highestClass,
  type Plan,
  type PlannedChange,
  planRisk,
  type ReleaseRequest,
  type Risk,
} from '../domain/plan'
import type { Policy } from '../domain/policy'
import { planSteps, rolloutEnvironment, rolloutWarnings } from '../domain/rollout'
import { roleRef, type TaskDefinition } from '../domain/task'
import type { TenantEntry } from '../domain/tenant'
import type { Digest, Version } from '../domain/version'
import type { Endpoints } from '../engines/engine'
import { assert, SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { hoursFor, unitsToFindRatio } from '../stats/power'
import { firingAlarms, probedAlarms } from './alarms'
import type { Catalog } from './catalog'
import { minThresholdResults } from './evidence'
import type { Ledger } from './ledger'
import { type TelemetryReader, thresholdMinimum } from './telemetry-reader'
import type { Tenants } from './tenants'
import type { TrafficRate } from './traffic'

export interface PlannerDeps {
  readonly catalog: Catalog
  readonly ledger: Ledger
  readonly tenants: Tenants
  readonly read: Pick<TelemetryReader, 'window' | 'spend' | 'thresholds'>
  readonly traffic: (environment: string, task: string) => Promise<TrafficRate | undefined>
}

/** Makes plans; they are stored by who uses them. Committing the candidate's composite is the only write. */
export interface Planner {
  /**
   * Codes: unknown_task, unknown_ref, malformed_ref, lane_held, lane_disabled, vetoed, plan_refused where nothing
   * would change or a breaking change has no exception, and alarm_firing where a breaker or a probe fires on an incumbent. `endpoints`: where the
   * providers of the probes are.
   */
  plan(request: ReleaseRequest, endpoints?: Endpoints): Promise<Plan>
}

const listed = 200
const maxTenants = 100_000

export function createPlanner(deps: PlannerDeps): Planner {
  return { plan: (request, endpoints = {}) => makePlan(deps, request, endpoints) }
}

async function makePlan(deps: PlannerDeps, request: ReleaseRequest, endpoints: Endpoints): Promise<Plan> {
  const { catalog, ledger } = deps
  if (request.why.trim() === '') throw new SluiceError('reason_missing', 'Say why this is released.')
  const task = await catalog.task(request.task)
  const policyVersion = await catalog.version(request.policy === undefined ? task.policy : policyRef(request.policy))
  const policy = policyVersion.content as Policy
  const lanes = await Promise.all(policy.environments.map((environment) => ledger.lane(environment, task.name)))
  const last = lanes.at(-1) as LaneState
  const parents = last.incumbent === undefined ? [] : [last.incumbent]
  const candidate = await catalog.commitComposite(await candidateRoles(deps, task, last, request), parents)
  assertStartable(lanes, candidate.id, last)
  const changes = await changesOf(catalog, last.incumbent, candidate.roles)
  const changeClass = highestClass(changes.map((change) => change.class))
  assertAllowed(changeClass, policy, task)
  const probed = await probedAlarms(policy, last, endpoints)
  const alarms = [...(await firingAlarms(deps.read, policy, lanes)), ...probed.firing]
  assertQuiet(alarms, request)
  const hasIncumbent = last.incumbent !== undefined
  const steps = planSteps(policy, hasIncumbent)
  const traffic = await deps.traffic(last.environment, task.name)
  return {
    request,
    task: task.name,
    candidate: candidate.id,
    policy: policyVersion.digest,
    suite: task.suiteDigest,
    lanes: lanes.map(({ environment, baseSeq, incumbent }) => ({
      environment,
      baseSeq,
      ...(incumbent ? { incumbent } : {}),
    })),
    changes,
    changeClass,
    risk: planRisk(changes.map(({ kind }) => riskOf(kind))),
    steps,
    ...(policy.shadow === undefined || !hasIncumbent ? {} : { shadow: policy.shadow }),
    blastRadius: await blastRadius(deps, task, policy),
    warnings: [
      ...rolloutWarnings(policy, hasIncumbent),
      ...(await limitWarnings(deps, policy, task, last)),
      ...probed.unknown,
      ...alarms.map((alarm) => `glass broken (${request.breakGlass}): ${alarm}`),
    ],
    forecast: traffic === undefined || !hasIncumbent ? [] : forecast(policy, traffic.conversationsPerHour),
    rollback: rollbackText(last),
  }
}

/** Guardrails that would wait for ever: limits come from live requests of the incumbent, else from its suite results. */
async function limitWarnings(
  { read, catalog }: PlannerDeps,
  policy: Policy,
  { suiteDigest }: TaskDefinition,
  { environment, task, incumbent }: LaneState,
): Promise<string[]> {
  const waiting = policy.guardrails.filter(({ metric, role }) => isExceedance(metric) && role !== 'notify')
  if (waiting.length === 0 || incumbent === undefined) return []
  if ((await read.thresholds(environment, task, incumbent)) !== undefined) return []
  const { dataset, repeats } = (await catalog.byDigest('suite', suiteDigest)).content as SuiteContent
  const { count } = (await catalog.byDigest('dataset', dataset)).content as DatasetContent
  if (count * repeats >= minThresholdResults) return []
  const names = waiting.map(({ metric }) => metric).join(' and ')
  return [
    `No limit can be frozen for ${names}: the incumbent has fewer than ${thresholdMinimum} requests in ${environment}, and the suite gives ${count * repeats} results of the ${minThresholdResults} needed. Without traffic before the first exposed step, every step waits for evidence that cannot come, and after its bake does what \`noEvidence\` says. Start later, or guard the means.`,
  ]
}

function riskOf(kind: PlannedChange['kind']): Risk {
  const { changeType } = kindOf(kind)
  assert(changeType !== 'test', `a composite has no role of the kind ${kind}`)
  return changeType
}

const policyRef = (ref: string): string => (ref.includes('/') ? ref : `policy/${ref}`)

/** The roles that serve in the last environment crossed (the task's own for its first release), with the change. */
async function candidateRoles(deps: PlannerDeps, task: TaskDefinition, last: LaneState, request: ReleaseRequest) {
  const base =
    last.incumbent === undefined
      ? task.roles
      : Object.fromEntries(
          Object.entries((await deps.catalog.composite(last.incumbent)).roles).map(([role, pin]) => [role, pin.ref]),
        )
  const moved = Object.entries(request.change).map(([role, ref]) => [role, roleRef(role, ref)])
  return { ...base, ...Object.fromEntries(moved) }
}

function assertStartable(lanes: readonly LaneState[], candidate: Digest, last: LaneState): void {
  for (const lane of lanes) {
    const place = `${lane.task} --env ${lane.environment}`
    if (lane.disabled)
      throw new SluiceError('lane_disabled', `${laneName(lane)} is disabled; \`sluice enable ${place}\` first.`)
    if (lane.hold) {
      const text = `${laneName(lane)} is held since a rollback (${lane.hold.by}: ${lane.hold.reason}); \`sluice hold lift ${place}\` first.`
      throw new SluiceError('lane_held', text)
    }
    if (isVetoed(lane, candidate)) {
      const text = `${candidate} is vetoed in ${laneName(lane)}; \`sluice hold lift ${place} --veto …\` allows it again.`
      throw new SluiceError('vetoed', text, { candidate })
    }
  }
  if (last.incumbent === candidate) {
    throw new SluiceError('plan_refused', `Nothing would change: ${candidate} serves in ${laneName(last)} already.`, {
      candidate,
    })
  }
}

function assertAllowed(changeClass: Plan['changeClass'], policy: Policy, task: TaskDefinition): void {
  if (changeClass !== 'breaking' || policy.exceptions.includes('breaking')) return
  const text =
    `The change breaks those who read ${task.name}. Make it a new task (supersedes: ${task.name}), ` +
    'or name the exception `breaking` in the policy.'
  throw new SluiceError('plan_refused', text, { changeClass })
}

function assertQuiet(alarms: readonly string[], { breakGlass }: ReleaseRequest): void {
  if (alarms.length === 0 || breakGlass !== undefined) return
  const text = `An alarm fires before the start: ${alarms.join('; ')}.`
  throw new SluiceError('alarm_firing', text, { alarms })
}

async function changesOf(catalog: Catalog, incumbent: Digest | undefined, roles: RolePins): Promise<PlannedChange[]> {
  const before: RolePins = incumbent === undefined ? {} : (await catalog.composite(incumbent)).roles
  const changes: PlannedChange[] = []
  for (const [role, pin] of Object.entries(roles)) {
    const old = Object.hasOwn(before, role) ? before[role] : undefined
    if (old?.digest === pin.digest) continue
    if (old === undefined) {
      changes.push({
        role,
        kind: pin.kind,
        to: pin.ref,
        class: incumbent === undefined ? 'none' : 'breaking',
        changes: [],
      })
    } else {
      const diff = await catalog.diff(old.ref, pin.ref)
      changes.push({ role, kind: pin.kind, from: old.ref, to: pin.ref, class: diff.changeClass, changes: diff.changes })
    }
  }
  return changes
}

type RolePins = Readonly<
  Record<string, { readonly kind: Version['kind']; readonly ref: string; readonly digest: Digest }>
>

async function blastRadius(deps: PlannerDeps, task: TaskDefinition, policy: Policy): Promise<BlastRadius> {
  const environment = rolloutEnvironment(policy)
  const groups = {
    affected: [] as string[],
    pilots: [] as string[],
    overridden: [] as string[],
    optedOut: [] as string[],
    notSubscribed: [] as string[],
  }
  const lostPilots: string[] = []
  for await (const entry of allTenants(deps.tenants)) {
    const group = audienceOf(entry, task, environment)
    groups[group].push(entry.tenant)
    const pilot = entry.state.ring === policy.pilot?.ring
    if (pilot && group === 'affected') groups.pilots.push(entry.tenant)
    if (pilot && (group === 'overridden' || group === 'optedOut')) lostPilots.push(entry.tenant)
  }
  const traffic = await deps.traffic(environment, task.name)
  const cut = Object.fromEntries(
    Object.entries(groups).map(([name, tenants]) => [name, tenants.slice(0, listed)]),
  ) as typeof groups
  const counts = Object.fromEntries(
    Object.entries(groups).map(([name, tenants]) => [name, tenants.length]),
  ) as BlastRadius['counts']
  const load =
    traffic === undefined ? {} : { requestsPerHour: traffic.requestsPerHour, costUsdPerHour: traffic.costUsdPerHour }
  return { ...cut, lostPilots: lostPilots.slice(0, listed), counts, ...load }
}

/** How a release of the task meets this tenant in an environment. */
export function audienceOf(
  entry: TenantEntry,
  task: Pick<TaskDefinition, 'name' | 'supersedes'>,
  environment: string,
): 'affected' | 'overridden' | 'optedOut' | 'notSubscribed' {
  const settings = entry.state.tasks[task.name]
  if (!(settings?.runs ?? task.supersedes === undefined)) return 'notSubscribed'
  if (settings?.override?.pins[environment] !== undefined) return 'overridden'
  return settings?.optOut?.[environment] === undefined ? 'affected' : 'optedOut'
}

/** Every known tenant, page by page. */
export async function* allTenants(tenants: Tenants): AsyncGenerator<TenantEntry> {
  let after: string | undefined
  for (let seen = 0; seen < maxTenants; ) {
    const page: TenantEntry[] = await tenants.list(after === undefined ? {} : { after })
    if (page.length === 0) return
    yield* page
    seen += page.length
    after = page.at(-1)?.tenant
  }
}

/** Assumed base rate of errors where the plan has none measured: one conversation in a hundred. */
const assumedErrorRate = 0.01

function forecast(policy: Policy, conversationsPerHour: number): string[] {
  const margin = Math.max(0, ...policy.guardrails.filter((row) => row.metric === 'error_rate').map((row) => row.margin))
  const alpha = policy.alpha / Math.max(1, policy.guardrails.length)
  const exposed = [...(policy.pilot ? [policy.pilot] : []), ...policy.steps].filter(
    (step) => step.basisPoints > 0 && step.basisPoints < 10_000,
  )
  const first = exposed[0]
  if (first === undefined) return []
  const effect = Math.max(2, 1.5 * (1 + margin))
  const units = unitsToFindRatio({
    baseRate: assumedErrorRate,
    share: first.basisPoints / 10_000,
    effect,
    margin,
    alpha,
  })
  const hours = hoursFor(units, conversationsPerHour)
  if (units === undefined || hours === undefined) return []
  const pace = `${Math.round(conversationsPerHour)} conversations an hour`
  return [
    `forecast: at ${pace} a ${effect.toFixed(1)}-fold error rate of 1 % is found after about ${units} conversations, ${hours.toFixed(1)} h`,
  ]
}

function rollbackText(last: LaneState): string {
  if (last.incumbent === undefined) return 'one entry disables the task: it had no incumbent'
  return `one entry restores ${last.incumbent} and moves only conversations on the candidate`
}
