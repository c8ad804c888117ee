import type { LaneState } from '../domain/lane'
import type { RescoreCost, RescoreItem, RescorePlan, RescoreReason } from '../domain/rescore'
import { rolloutEnvironment } from '../domain/rollout'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { type LoadedSuite, loadCallable, loadPolicy, loadSuite } from './evaluation-plan'
import { rescoreCost } from './rescore-cost'
import type { Store } from './store'

export type RescoreDeps = Pick<Store, 'catalog' | 'ledger' | 'tenants' | 'evidence'>

export interface RescoreRequest {
  readonly task: string
  readonly suite: Digest
  /** Composites scored lately on another version of the suite, beside those that serve. */
  readonly recent: number
}

/** Composites of one rescore. Serving ones beyond it are refused rather than left out. */
const maxItems = 1_000
/** Settled composites of a lane below its incumbent: what a rollback goes back to. */
const settledKept = 3
const maxPlaces = 5
const siblingSuites = 20
const verdictsPerSuite = 200
const tenantsPage = 1_000

/**
 * Which composites of a task the suite is to score: whatever serves in any lane or for a tenant of its own, what a
 * rollback goes back to, and what was scored lately on other versions of the suite. Throws unknown_task, unknown_ref.
 */
export async function planRescore(deps: RescoreDeps, request: RescoreRequest): Promise<RescorePlan> {
  const task = await deps.catalog.task(request.task)
  const policy = await loadPolicy(deps.catalog, task.policyDigest)
  await deps.catalog.byDigest('suite', request.suite)
  const lanes = await deps.ledger.lanesOf(task.name)
  const incumbent = lanes.find(({ environment }) => environment === rolloutEnvironment(policy))?.incumbent
  const found = new Found()
  // First, so that whatever is compared with it finds its results stored.
  if (incumbent !== undefined) found.add(incumbent, 'serving')
  for (const lane of lanes) addLane(found, lane)
  await addTenants(found, deps, task.name)
  for (const lane of lanes) for (const composite of settledOf(lane)) found.add(composite, 'settled')
  for (const composite of await recentlyScored(deps, request, task.suiteDigest))
    found.addRecent(composite, request.recent)
  if (found.size > maxItems) {
    const text = `${found.size} composites serve ${task.name}; at most ${maxItems} are scored at once.`
    throw new SluiceError('invalid_request', text, { task: task.name, limit: maxItems })
  }
  return { task: task.name, suite: request.suite, policy: task.policyDigest, items: found.items(incumbent) }
}

interface FoundItem {
  readonly reason: RescoreReason
  readonly places: string[]
  /** What an override was made from: its evidence is against that. */
  base?: Digest
}

class Found {
  private readonly found = new Map<Digest, FoundItem>()
  private recent = 0

  get size(): number {
    return this.found.size
  }

  add(composite: Digest, reason: RescoreReason, place?: string): FoundItem {
    const item = this.found.get(composite) ?? { reason, places: [] }
    this.found.set(composite, item)
    if (place !== undefined && item.places.length < maxPlaces && !item.places.includes(place)) item.places.push(place)
    return item
  }

  addRecent(composite: Digest, limit: number): void {
    if (this.found.has(composite) || this.recent >= limit) return
    this.recent += 1
    this.add(composite, 'recent')
  }

  items(incumbent: Digest | undefined): readonly RescoreItem[] {
    return [...this.found].map(([composite, { reason, places, base = incumbent }]) => ({
      composite,
      ...(base === undefined || base === composite ? {} : { incumbent: base }),
      reason,
      places,
    }))
  }
}

function addLane(found: Found, lane: LaneState): void {
  if (lane.incumbent !== undefined) found.add(lane.incumbent, 'serving', lane.environment)
  if (lane.candidate !== undefined) found.add(lane.candidate, 'serving', `${lane.environment} (candidate)`)
}

const settledOf = ({ settled }: LaneState): readonly Digest[] => settled.slice(-1 - settledKept)

/** Composites that tenants have pinned: their overrides, and what they stayed on. */
async function addTenants(found: Found, { tenants }: RescoreDeps, task: string): Promise<void> {
  let after: string | undefined
  for (;;) {
    const page = await tenants.list({ limit: tenantsPage, ...(after === undefined ? {} : { after }) })
    for (const { tenant, state } of page) {
      const { optOut = {}, override } = state.tasks[task] ?? {}
      for (const { composite } of Object.values(optOut)) found.add(composite, 'serving', `opt-out of ${tenant}`)
      for (const { composite } of Object.values(override?.pins ?? {})) {
        const item = found.add(composite, 'serving', `override of ${tenant}`)
        if (override) item.base = override.base
      }
    }
    after = page.at(-1)?.tenant
    if (page.length < tenantsPage || after === undefined) return
  }
}

/** Candidates of the newest verdicts on other versions of the suite and on the task's own, the newest first. */
async function recentlyScored(
  { catalog, evidence }: RescoreDeps,
  { suite, recent }: RescoreRequest,
  taskSuite: Digest,
): Promise<readonly Digest[]> {
  if (recent === 0) return []
  const { name } = await catalog.byDigest('suite', suite)
  const siblings = await catalog.summaries({ kind: 'suite', name, limit: verdictsPerSuite })
  const suites = new Set([taskSuite, ...siblings.slice(-siblingSuites).map(({ digest }) => digest)])
  suites.delete(suite)
  const verdicts = []
  for (const digest of suites) verdicts.push(...(await evidence.verdicts({ suite: digest, limit: verdictsPerSuite })))
  return [...new Set(verdicts.sort((a, b) => (a.id < b.id ? 1 : -1)).map(({ candidate }) => candidate))]
}

/** What each item would take, in their order; calls nothing and writes nothing. */
export async function rescoreCosts(deps: RescoreDeps, plan: RescorePlan): Promise<readonly RescoreCost[]> {
  const suite = await loadSuite(deps.catalog, plan.suite)
  const costs: RescoreCost[] = []
  for (const { composite } of plan.items) costs.push(await costOf(deps, suite, composite))
  return costs
}

async function costOf({ catalog, evidence }: RescoreDeps, suite: LoadedSuite, composite: Digest): Promise<RescoreCost> {
  try {
    return await rescoreCost(catalog, evidence.results, { suite, arm: await loadCallable(catalog, composite) })
  } catch (error) {
    if (!(error instanceof SluiceError) || error.retryable) throw error
    return { freeCalls: 0, paidCalls: 0, judgeCalls: 0, worstUsd: 0, fault: error.message }
  }
}
