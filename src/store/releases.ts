import { type ClientSession, type Collection, MongoServerError } from 'mongodb'
import type { Checkpoint } from '../domain/checkpoint'
import type { Assessment, AssessmentInput } from '../domain/guardrail'
import type { Plan, ReleaseRequest } from '../domain/plan'
import { closedPhases, type ReleasePhase } from '../domain/release'
import type { Stage } from '../domain/rollout'
import type { Digest } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { type BatchedWrites, batchedWrites } from './batched-writes'
import { chained, chainHash, digestOf, jsonOnly } from './canonical'
import { markCompositeUsed } from './composite-uses'
import type { CollectionSpec, Database } from './database'
import { markUsed } from './version-uses'

/** What is known of a release for ever; Temporal's own retention forgets runs. */
export interface ReleaseRecord {
  readonly id: string
  readonly task: string
  readonly request: ReleaseRequest
  readonly author: string
  readonly createdAt: number
  readonly workflowId: string
  readonly runId?: string
  readonly plan?: Digest
  readonly candidate?: Digest
  readonly stage: Stage
  readonly phase: ReleasePhase
  readonly step?: string
  /** Entry of the step in the rollout lane whose bake is over; absent: none is yet. */
  readonly bakedSeq?: number
  readonly endedAt?: number
  readonly reason?: string
  /** It was rolled back after it had settled, and what its tenants were told is still to be taken back. */
  readonly owesRetraction?: boolean
  /** Head of the decision chain. */
  readonly decisionSeq: number
  readonly decisionHash: string
}

/** One decision with everything it was made on; hash-chained per release, never truncated. */
export interface Decision {
  readonly releaseId: string
  readonly seq: number
  readonly at: number
  readonly kind: 'plan' | 'test' | 'advance' | 'settle' | 'pause' | 'rollback' | 'assessment' | 'shadow' | 'close'
  readonly by: string
  readonly reason: string
  /** Inputs, estimates, thresholds: whatever a replay of the decision needs. */
  readonly evidence: unknown
  /** Version of the deciding code. */
  readonly code: string
  readonly prev: string
  readonly hash: string
}

type Changing = 'stage' | 'phase' | 'step' | 'bakedSeq' | 'plan' | 'candidate' | 'reason' | 'endedAt' | 'owesRetraction'
export type DecisionDraft = Pick<Decision, 'releaseId' | 'kind' | 'by' | 'reason' | 'evidence'>

export interface DecisionPage {
  readonly after?: number
  readonly limit?: number
  readonly kinds?: readonly Decision['kind'][]
}

/** Evidence of a decision of the kind `assessment`. */
export interface KeptLook {
  readonly checkpoint: Checkpoint
  readonly judged: { readonly input: AssessmentInput; readonly assessment: Assessment }
}

/** All kinds but the looks that are kept between decisions. */
export const decisionKinds = [
  'plan',
  'test',
  'advance',
  'settle',
  'pause',
  'rollback',
  'shadow',
  'close',
] as const satisfies readonly Decision['kind'][]

/** Releases, their plans, decisions and watch ticks. */
export interface Releases {
  /** The record of this id, made now unless there is one. */
  create(record: Pick<ReleaseRecord, 'id' | 'task' | 'request' | 'author' | 'workflowId'>): Promise<ReleaseRecord>
  /** Removes a record whose workflow was refused at the start: it never ran. */
  discard(id: string): Promise<void>
  /** Notes the run that was started for the record, so that it can be asked after before a worker takes it up. */
  started(id: string, runId: string): Promise<void>
  /** The record of this workflow run, made now if it was started without the API. Throws release_closed for a foreign id. */
  adopt(
    record: Pick<ReleaseRecord, 'id' | 'task' | 'request' | 'author' | 'workflowId'> & { runId: string },
  ): Promise<ReleaseRecord>
  find(id: string, session?: ClientSession): Promise<ReleaseRecord | undefined>
  /** Throws not_found. */
  get(id: string, session?: ClientSession): Promise<ReleaseRecord>
  /** Those of these ids that there are. */
  named(ids: readonly string[]): Promise<ReadonlyMap<string, ReleaseRecord>>
  /** `owing`: those alone that owe their tenants a retraction. */
  list(filter: {
    task?: string
    after?: string
    limit?: number
    open?: boolean
    owing?: true
  }): Promise<ReleaseRecord[]>
  update(id: string, change: Partial<Pick<ReleaseRecord, Changing>>, session?: ClientSession): Promise<void>
  putPlan(plan: Plan): Promise<Digest>
  plan(digest: Digest): Promise<Plan>
  decide(draft: DecisionDraft, session?: ClientSession): Promise<Decision>
  /** The decision of this kind, made now unless there is one: for what is decided once per release. */
  decideOnce(draft: DecisionDraft, session?: ClientSession): Promise<Decision>
  /** The decision of a guardrail to pause for these causes; undefined where all of them were paused for before. */
  decidePause(draft: Omit<DecisionDraft, 'kind' | 'by'>, causes: readonly string[]): Promise<Decision | undefined>
  /** What guardrails paused the release for. */
  pauseCauses(releaseId: string, session?: ClientSession): Promise<ReadonlySet<string>>
  /** Keeps a look of the safety clock among the decisions; two watches at once keep it once. */
  keepCheckpoint(draft: Pick<DecisionDraft, 'releaseId' | 'reason'>, kept: KeptLook): Promise<Decision>
  lastCheckpoint(releaseId: string): Promise<Checkpoint | undefined>
  /** In order. `kinds`: of these alone; absent: all. */
  decisions(releaseId: string, page?: DecisionPage): Promise<Decision[]>
  /** Every one of a kind, in order, however many there are. */
  decisionsOf(releaseId: string, kind: Decision['kind']): AsyncIterable<Decision>
  /** The newest of a kind. */
  lastDecision(releaseId: string, kind: Decision['kind']): Promise<Decision | undefined>
  verifyDecisions(releaseId: string): Promise<{ decisions: number }>
  /** Counts a tick of the safety clock. */
  tick(releaseId: string): Promise<void>
  /** The last tick's number and its age by the store's clock; undefined before the first. */
  lastTick(releaseId: string, session?: ClientSession): Promise<{ tick: number; ageMs: number } | undefined>
}

type WatchDocument = { _id: string; tick: number; at: Date }
type RecordDocument = Omit<ReleaseRecord, 'id'> & { _id: string }
type DecisionDocument = Decision & { _id: string }

export const releaseCollections: readonly CollectionSpec[] = [
  {
    name: 'releases',
    indexes: [
      { key: { task: 1, _id: -1 } },
      { key: { phase: 1 } },
      { key: { owesRetraction: 1 }, partial: { owesRetraction: true } },
      { key: { runId: 1 }, unique: true, partial: { runId: { $exists: true } } },
    ],
  },
  { name: 'plans' },
  {
    name: 'decisions',
    indexes: [
      { key: { releaseId: 1, seq: 1 }, unique: true },
      { key: { releaseId: 1, kind: 1, 'evidence.checkpoint.number': -1 } },
    ],
  },
  { name: 'watches' },
]

/** Version of the deciding code, stamped on every decision. */
export const decidingCode = 'sluice/0.1.0'

const maxPage = 1_000
const duplicateKey = 11_000
export function createReleases(database: Database): Releases {
  return new MongoReleases(database)
}

class MongoReleases implements Releases {
  private readonly database: Database
  private readonly records: Collection<RecordDocument>
  private readonly plans: Collection<{ _id: Digest; plan: Plan }>
  private readonly journal: Collection<DecisionDocument>
  private readonly watches: Collection<WatchDocument>
  private readonly ticks: BatchedWrites<WatchDocument>

  constructor(database: Database) {
    this.database = database
    this.records = database.collection('releases')
    this.plans = database.collection('plans')
    this.journal = database.collection('decisions')
    this.watches = database.collection('watches')
    this.ticks = batchedWrites(this.watches)
  }

  async create(record: Parameters<Releases['create']>[0]): Promise<ReleaseRecord> {
    const { id, ...rest } = record
    const fresh = { ...rest, createdAt: await this.database.now(), ...beginning }
    const options = { upsert: true, returnDocument: 'after' } as const
    const found = await this.records.findOneAndUpdate({ _id: id }, { $setOnInsert: fresh }, options)
    assert(found !== null, 'an upsert that returns the document after it finds one')
    return named(found)
  }

  async discard(id: string): Promise<void> {
    await this.records.deleteOne({ _id: id, runId: { $exists: false } })
  }

  async started(id: string, runId: string): Promise<void> {
    await this.records.updateOne({ _id: id, runId: { $exists: false } }, { $set: { runId } })
  }

  async adopt(record: Parameters<Releases['adopt']>[0]): Promise<ReleaseRecord> {
    const { id, ...rest } = record
    const adopted = await this.records.findOne({ runId: record.runId })
    if (adopted) return named(adopted)
    const fresh = { createdAt: await this.database.now(), ...beginning }
    // One that was closed before any run took it up (no worker was there for long) is over.
    const untaken = { runId: { $exists: false }, phase: { $nin: [...closedPhases] } }
    const filter = { _id: id, $or: [untaken, { runId: record.runId }] }
    try {
      const options = { upsert: true, returnDocument: 'after' } as const
      const found = await this.records.findOneAndUpdate(filter, { $set: rest, $setOnInsert: fresh }, options)
      assert(found !== null, 'an upsert that returns the document after it finds one')
      return named(found)
    } catch (error) {
      if (!(error instanceof MongoServerError && error.code === duplicateKey)) throw error
      throw new SluiceError(
        'release_closed',
        `The release id ${id} belongs to another run or has ended; start without one.`,
      )
    }
  }

  async find(id: string, session?: ClientSession): Promise<ReleaseRecord | undefined> {
    const found = await this.records.findOne({ _id: id }, session ? { session } : {})
    return found === null ? undefined : named(found)
  }

  async get(id: string, session?: ClientSession): Promise<ReleaseRecord> {
    const found = await this.find(id, session)
    if (found === undefined) throw new SluiceError('not_found', `No release ${id}; \`sluice release ls\` lists them.`)
    return found
  }

  async named(ids: readonly string[]): Promise<ReadonlyMap<string, ReleaseRecord>> {
    const found = await this.records.find({ _id: { $in: [...ids] } }).toArray()
    return new Map(found.map((row) => [row._id, named(row)]))
  }

  async list(filter: Parameters<Releases['list']>[0]): Promise<ReleaseRecord[]> {
    const query = {
      ...(filter.task === undefined ? {} : { task: filter.task }),
      ...(filter.after === undefined ? {} : { _id: { $lt: filter.after } }),
      ...(filter.open ? { phase: { $nin: [...closedPhases] } } : {}),
      ...(filter.owing ? { owesRetraction: true } : {}),
    }
    const found = this.records
      .find(query)
      .sort({ _id: -1 })
      .limit(Math.min(filter.limit ?? 100, maxPage))
    return (await found.toArray()).map(named)
  }

  async update(id: string, change: Parameters<Releases['update']>[1], session?: ClientSession): Promise<void> {
    await this.records.updateOne({ _id: id }, { $set: change }, session ? { session } : {})
  }

  async putPlan(plan: Plan): Promise<Digest> {
    const digest = digestOf(plan)
    await markCompositeUsed(this.database, plan.candidate)
    await markUsed(this.database, { digests: [plan.suite, plan.policy] })
    await this.plans.updateOne({ _id: digest }, { $setOnInsert: { plan } }, { upsert: true })
    return digest
  }

  async plan(digest: Digest): Promise<Plan> {
    const found = await this.plans.findOne({ _id: digest })
    if (found === null) throw new SluiceError('not_found', `No plan ${digest}.`)
    return found.plan
  }

  decide(draft: DecisionDraft, session?: ClientSession): Promise<Decision> {
    const work = (inner: ClientSession) => this.decideIn(draft, inner)
    return session ? work(session) : this.database.transact(work)
  }

  decideOnce(draft: DecisionDraft, session?: ClientSession): Promise<Decision> {
    const { releaseId, kind } = draft
    const work = async (inner: ClientSession) => {
      const made = await this.journal.findOne({ releaseId, kind }, { session: inner, projection: { _id: 0 } })
      return made ?? this.decideIn(draft, inner)
    }
    return session ? work(session) : this.database.transact(work)
  }

  decidePause(draft: Omit<DecisionDraft, 'kind' | 'by'>, causes: readonly string[]): Promise<Decision | undefined> {
    return this.database.transact(async (session) => {
      const told = await this.pauseCauses(draft.releaseId, session)
      if (causes.every((cause) => told.has(cause))) return undefined
      return this.decideIn({ ...draft, kind: 'pause', by: 'guardrail' }, session)
    })
  }

  async pauseCauses(releaseId: string, session?: ClientSession): Promise<ReadonlySet<string>> {
    const filter = { releaseId, kind: 'pause', by: 'guardrail' } as const
    return new Set<string>(await this.journal.distinct('evidence.causes', filter, session ? { session } : {}))
  }

  keepCheckpoint(
    { releaseId, reason }: Pick<DecisionDraft, 'releaseId' | 'reason'>,
    kept: KeptLook,
  ): Promise<Decision> {
    const draft = { releaseId, kind: 'assessment' as const, by: 'watch', reason, evidence: kept }
    const same = { releaseId, kind: draft.kind, 'evidence.checkpoint.number': kept.checkpoint.number }
    return this.database.transact(async (session) => {
      const known = await this.journal.findOne(same, { session, projection: { _id: 0 } })
      return known ?? this.decideIn(draft, session)
    })
  }

  async lastCheckpoint(releaseId: string): Promise<Checkpoint | undefined> {
    const found = await this.journal
      .find({ releaseId, kind: 'assessment' }, { projection: { 'evidence.checkpoint': 1 } })
      .sort({ 'evidence.checkpoint.number': -1 })
      .limit(1)
      .next()
    return (found?.evidence as KeptLook | undefined)?.checkpoint
  }

  async decisions(releaseId: string, page: DecisionPage = {}): Promise<Decision[]> {
    const { kinds } = page
    const filter = {
      releaseId,
      seq: { $gt: page.after ?? 0 },
      ...(kinds === undefined ? {} : { kind: { $in: [...kinds] } }),
    }
    const found = this.journal.find(filter, { projection: { _id: 0 } }).sort({ seq: 1 })
    return found.limit(Math.min(page.limit ?? 200, maxPage)).toArray()
  }

  decisionsOf(releaseId: string, kind: Decision['kind']): AsyncIterable<Decision> {
    return this.journal.find({ releaseId, kind }, { projection: { _id: 0 } }).sort({ seq: 1 })
  }

  async lastDecision(releaseId: string, kind: Decision['kind']): Promise<Decision | undefined> {
    const found = await this.journal.findOne({ releaseId, kind }, { projection: { _id: 0 }, sort: { seq: -1 } })
    return found ?? undefined
  }

  /** In one transaction, so that a decision that is made meanwhile is not taken for a broken chain. */
  verifyDecisions(releaseId: string): Promise<{ decisions: number }> {
    return this.database.transact((session) => this.verifyDecisionsIn(releaseId, session))
  }

  private async verifyDecisionsIn(releaseId: string, session: ClientSession): Promise<{ decisions: number }> {
    let seq = 0
    let last = ''
    const cursor = this.journal.find({ releaseId }, { session, projection: { _id: 0 } }).sort({ seq: 1 })
    for await (const decision of cursor) {
      const { prev, hash, ...hashed } = decision
      seq++
      if (decision.seq !== seq || prev !== last || hash !== chainHash(prev, hashed)) {
        throw new SluiceError('chain_broken', `The decisions of ${releaseId} do not verify at ${decision.seq}.`)
      }
      last = hash
    }
    const record = await this.get(releaseId, session)
    if (record.decisionSeq !== seq || record.decisionHash !== last) {
      throw new SluiceError('chain_broken', `The decisions of ${releaseId} end before their recorded head.`)
    }
    return { decisions: seq }
  }

  async tick(releaseId: string): Promise<void> {
    const update = { $inc: { tick: 1 }, $currentDate: { at: true } } as const
    await this.ticks.write({ updateOne: { filter: { _id: releaseId }, update, upsert: true } })
  }

  async lastTick(releaseId: string, session?: ClientSession): Promise<{ tick: number; ageMs: number } | undefined> {
    const found = await this.watches.findOne({ _id: releaseId }, session ? { session } : {})
    if (found === null) return undefined
    return { tick: found.tick, ageMs: (await this.database.now(session)) - found.at.getTime() }
  }

  private async decideIn(draft: DecisionDraft, session: ClientSession): Promise<Decision> {
    const record = await this.get(draft.releaseId, session)
    const seq = record.decisionSeq + 1
    const prev = record.decisionHash
    const hashed = {
      ...draft,
      evidence: jsonOnly(draft.evidence),
      seq,
      at: await this.database.now(session),
      code: decidingCode,
    }
    const decision: Decision = chained(prev, hashed)
    await this.journal.insertOne({ _id: `${draft.releaseId}/${seq}`, ...decision }, { session })
    const head = { decisionSeq: seq, decisionHash: decision.hash }
    await this.records.updateOne({ _id: draft.releaseId }, { $set: head }, { session })
    return decision
  }
}

const beginning = { stage: 'plan', phase: 'running', decisionSeq: 0, decisionHash: '' } as const

function named({ _id, ...rest }: RecordDocument): ReleaseRecord {
  return { id: _id, ...rest }
}
