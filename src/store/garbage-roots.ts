import type { Document } from 'mongodb'
import type { Plan, ReleaseRequest } from '../domain/plan'
import { parseRef } from '../domain/ref'
import { closedPhases } from '../domain/release'
import { roleRef } from '../domain/task'
import type { TenantState } from '../domain/tenant'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Database } from './database'
import { RequestLog } from './request-log'
import { databaseView, type VersionView } from './version-view'

/** Something that is kept for its own sake, with why, in words. */
export interface Root {
  readonly node: 'composite' | 'version'
  readonly digest: Digest
  /** `served`: its immediate parents are kept with it. */
  readonly tier: 'served' | 'held'
  readonly why: string
}

/**
 * Everything that is kept for its own sake, some of it several times; read page by page. Two readings are not of one
 * moment: what comes into use meanwhile is marked as used, which protects it (`markUsed`).
 */
export async function* garbageRoots(database: Database, cutoff: Date): AsyncGenerator<Root> {
  yield* ledgerRoots(database)
  yield* tenantRoots(database)
  yield* logRoots(database)
  yield* taskRoots(database)
  yield* releaseRoots(database)
  yield* evaluationRoots(database, cutoff)
  yield* rescoreRoots(database)
  yield* recentComposites(database, cutoff)
}

const composite = (digest: Digest, tier: Root['tier'], why: string): Root => ({ node: 'composite', digest, tier, why })
const version = (digest: Digest, why: string): Root => ({ node: 'version', digest, tier: 'held', why })

/** Where a ledger first named a composite, in each of the places that an entry has for one. */
const ledgerFields = ['incumbent', 'candidate', 'revokes'] as const

async function* ledgerRoots(database: Database): AsyncGenerator<Root> {
  const allocations = database.collection('allocations')
  for (const field of ledgerFields) {
    const pipeline: Document[] = [
      { $match: { [field]: { $exists: true } } },
      { $project: { of: `$${field}`, environment: 1, task: 1, seq: 1 } },
      { $unwind: '$of' },
      {
        $group: {
          _id: '$of',
          environment: { $first: '$environment' },
          task: { $first: '$task' },
          seq: { $min: '$seq' },
        },
      },
    ]
    const named = allocations.aggregate<{ _id: Digest; environment: string; task: string; seq: number }>(pipeline, {
      allowDiskUse: true,
    })
    for await (const { _id, environment, task, seq } of named) {
      yield composite(_id, 'served', `${field} in entry ${seq} of ${environment}/${task}`)
    }
  }
  const lanes = database.collection<{ _id: string; vetoes?: readonly { composite: Digest }[] }>('lanes')
  for await (const { _id, vetoes = [] } of lanes.find({}, { projection: { vetoes: 1 } })) {
    for (const veto of vetoes) yield composite(veto.composite, 'held', `vetoed in ${_id}`)
  }
}

async function* tenantRoots(database: Database): AsyncGenerator<Root> {
  const entries = database.collection<{ tenant: string; seq: number; state: TenantState }>('tenantEntries')
  const named = { projection: { tenant: 1, seq: 1, 'state.tasks': 1 } }
  for await (const { tenant, seq, state } of entries.find({}, named)) {
    for (const [task, { optOut = {}, override }] of Object.entries(state.tasks)) {
      const place = `of ${task} in entry ${seq} of the tenant ${tenant}`
      for (const pin of Object.values(optOut)) yield composite(pin.composite, 'served', `opt-out ${place}`)
      if (override === undefined) continue
      yield composite(override.base, 'served', `base of the override ${place}`)
      for (const pin of Object.values(override.pins)) yield composite(pin.composite, 'served', `override ${place}`)
    }
  }
}

/** Log rows leave by themselves; captured content is found by its row, so what rows name covers both. */
async function* logRoots(database: Database): AsyncGenerator<Root> {
  const log = new RequestLog(database)
  const lanes = database.collection<{ _id: string; environment: string; task: string }>('lanes')
  for await (const { environment, task } of lanes.find({}, { projection: { environment: 1, task: 1 } })) {
    for (const id of await log.composites(environment, task))
      yield composite(id, 'served', `in the request log of ${environment}/${task}`)
  }
}

async function* taskRoots(database: Database): AsyncGenerator<Root> {
  const view = databaseView(database)
  const revisions = database.collection<{
    task: string
    revision: number
    roles: readonly { role: string; ref: string }[]
    suiteDigest: Digest
    policyDigest: Digest
  }>('task_revisions')
  for await (const { task, revision, roles, suiteDigest, policyDigest } of revisions.find()) {
    const place = `revision ${revision} of the task ${task}`
    yield version(suiteDigest, `suite of ${place}`)
    yield version(policyDigest, `policy of ${place}`)
    for (const { role, ref } of roles) yield* labelled(view, ref, `${role} of ${place}`)
  }
}

async function* releaseRoots(database: Database): AsyncGenerator<Root> {
  const view = databaseView(database)
  const releases = database.collection<{
    _id: string
    phase: string
    request: ReleaseRequest
    plan?: Digest
    candidate?: Digest
  }>('releases')
  const plans = database.collection<{ _id: Digest; plan: Plan }>('plans')
  for await (const { _id, request, plan, candidate } of releases.find({ phase: { $nin: [...closedPhases] } })) {
    const place = `the release ${_id}, which is open`
    if (candidate !== undefined) yield composite(candidate, 'served', `candidate of ${place}`)
    for (const [role, ref] of Object.entries(request.change))
      yield* labelled(view, roleRef(role, ref), `${role} of ${place}`)
    if (request.policy !== undefined) yield* labelled(view, roleRef('policy', request.policy), `policy of ${place}`)
    const planned = plan === undefined ? null : await plans.findOne({ _id: plan })
    if (planned === null) continue
    yield composite(planned.plan.candidate, 'served', `candidate of ${place}`)
    yield version(planned.plan.suite, `suite of ${place}`)
    yield version(planned.plan.policy, `policy of ${place}`)
  }
}

interface Judged {
  readonly _id: string
  readonly candidate: Digest
  readonly incumbent?: Digest
  readonly suite: Digest
  readonly policy: Digest
}

async function* evaluationRoots(database: Database, cutoff: Date): AsyncGenerator<Root> {
  const recent = { $or: [{ state: 'running' }, { updatedAt: { $gte: cutoff.getTime() } }] }
  const runs = database.collection<Judged>('evaluations').find(recent)
  for await (const run of runs) yield* judged(run, `the evaluation ${run._id}`)
}

function* judged({ candidate, incumbent, suite, policy }: Judged, place: string): Generator<Root> {
  yield composite(candidate, 'held', `candidate of ${place}`)
  if (incumbent !== undefined) yield composite(incumbent, 'held', `incumbent of ${place}`)
  yield version(suite, `suite of ${place}`)
  yield version(policy, `policy of ${place}`)
}

async function* rescoreRoots(database: Database): AsyncGenerator<Root> {
  const runs = database.collection<{ _id: string; suite: Digest; policy: Digest }>('rescores')
  const items = database.collection<{ rescore: string; composite: Digest; incumbent?: Digest }>('rescore_items')
  for await (const { _id, suite, policy } of runs.find({ state: 'running' })) {
    for await (const { composite: candidate, incumbent } of items.find({ rescore: _id })) {
      yield* judged({ _id, candidate, suite, policy, ...(incumbent ? { incumbent } : {}) }, `the rescore ${_id}`)
    }
  }
}

async function* recentComposites(database: Database, cutoff: Date): AsyncGenerator<Root> {
  const recent = { $or: [{ createdAt: { $gte: cutoff } }, { usedAt: { $gte: cutoff } }] }
  const found = database.collection<{ _id: Digest }>('composites').find(recent, { projection: { _id: 1 } })
  for await (const { _id } of found) yield composite(_id, 'held', 'composed, evaluated or planned lately')
}

/** A label that names nothing keeps nothing: a release that was asked for with it will be refused. */
async function* labelled(view: VersionView, ref: string, why: string): AsyncGenerator<Root> {
  try {
    yield version((await view.find(parseRef(ref))).digest, why)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
  }
}

/** What a verdict on a served composite was found with: scores are read beside it for ever. */
export async function* verdictRoots(database: Database, served: readonly Digest[]): AsyncGenerator<Root> {
  const verdicts = database.collection<Judged>('verdicts')
  const named = { projection: { suite: 1, policy: 1 } }
  for await (const { _id, suite, policy } of verdicts.find({ candidate: { $in: [...served] } }, named)) {
    yield version(suite, `suite of the verdict ${_id} on what served`)
    yield version(policy, `policy of the verdict ${_id} on what served`)
  }
}
