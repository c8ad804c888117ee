import type { ClientSession, Collection, Document } from 'mongodb'
import type { Allocation, EntryDraft } from '../domain/allocation'
import { laneId } from '../domain/allocation'
import {
  assertEntry,
  emptyLane,
  foldEntry,
  heldByRelease,
  isVetoed,
  type LaneState,
  laneName,
  previousSettled,
  restoreTarget,
  servedByHead,
} from '../domain/lane'
import type { Digest } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { chained, chainHash, digestOf } from './canonical'
import type { CollectionSpec, Database } from './database'
import type {
  Appended,
  DeployGate,
  DisableRequest,
  EntryRange,
  ForwardRequest,
  HeadFilter,
  Lift,
  LiftRequest,
  Place,
  RestoreRequest,
} from './ledger-requests'
import { once } from './once'

/** The lanes of all tasks: append-only ledgers, their folded heads, holds and vetoes. */
export interface Ledger {
  lane(environment: string, task: string, session?: ClientSession): Promise<LaneState>
  lanes(environment?: string): Promise<LaneState[]>
  /** Those of these ids (`laneId`) that were ever deployed to. */
  lanesNamed(ids: readonly string[]): Promise<ReadonlyMap<string, LaneState>>
  /** The lanes of one task, in every environment where it was ever deployed. */
  lanesOf(task: string, session?: ClientSession): Promise<LaneState[]>
  /** The newest entry. */
  head(environment: string, task: string, among?: HeadFilter): Promise<Allocation | undefined>
  /** The entry written under this key, if any. */
  find(place: Place): Promise<Allocation | undefined>
  entries(environment: string, task: string, range?: EntryRange): Promise<Allocation[]>
  /** Codes: lane_moved, lane_held, lane_disabled, vetoed, release_running, undeployable, invalid_entry. */
  forward(request: ForwardRequest, session?: ClientSession): Promise<Appended>
  /** Codes: not_settled, vetoed, no_previous, lane_moved. Undefined: nothing to do, the release holds the
   * lane no more or the target serves already. */
  restore(request: RestoreRequest, session?: ClientSession): Promise<Appended | undefined>
  setDisabled(request: DisableRequest): Promise<Appended>
  /** Once under a `key`. Codes: not_found where nothing is held. Who lifted what, and why, is kept. */
  liftHold(request: LiftRequest, key?: string): Promise<LaneState>
  /** What was lifted, the newest first. */
  lifts(limit?: number): Promise<Lift[]>
  /** Recomputes chain and fold of a lane as of one moment; `chain_broken` where they do not fit its entries. */
  verify(environment: string, task: string): Promise<{ entries: number }>
}

type EntryDocument = Allocation & { _id: string }
type LaneDocument = LaneState & { _id: string }

/** A database that refuses what the ledger would never write. */
const entryValidator: Document = {
  $jsonSchema: {
    bsonType: 'object',
    required: ['environment', 'task', 'seq', 'key', 'at', 'by', 'cause', 'exposure', 'salt', 'prev', 'hash'],
    properties: {
      seq: { bsonType: 'number', minimum: 1 },
      cause: { enum: ['step', 'settle', 'rollback', 'disable', 'enable'] },
      exposure: { bsonType: 'array' },
      hash: { bsonType: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
    },
  },
}

export const ledgerCollections: readonly CollectionSpec[] = [
  {
    name: 'allocations',
    validator: entryValidator,
    indexes: [
      { key: { environment: 1, task: 1, seq: 1 }, unique: true },
      { key: { environment: 1, task: 1, key: 1 }, unique: true },
      { key: { environment: 1, task: 1, cause: 1, incumbent: 1 } },
      { key: { releaseId: 1 } },
    ],
  },
  {
    name: 'lanes',
    indexes: [
      { key: { releaseId: 1 } },
      { key: { environment: 1 } },
      { key: { task: 1 } },
      { key: { incumbent: 1 } },
      { key: { candidate: 1 } },
    ],
  },
  { name: 'lifts', indexes: [{ key: { at: -1 } }] },
]

const maxLanes = 10_000
const defaultPage = 1_000

export function createLedger(database: Database, gate: DeployGate): Ledger {
  return new MongoLedger(database, gate)
}

class MongoLedger implements Ledger {
  private readonly database: Database
  private readonly gate: DeployGate
  private readonly allocations: Collection<EntryDocument>
  private readonly heads: Collection<LaneDocument>
  private readonly liftings: Collection<Lift>

  constructor(database: Database, gate: DeployGate) {
    this.database = database
    this.gate = gate
    this.allocations = database.collection('allocations')
    this.heads = database.collection('lanes')
    this.liftings = database.collection('lifts')
  }

  async lane(environment: string, task: string, session?: ClientSession): Promise<LaneState> {
    const options = { ...(session ? { session } : {}), projection: { _id: 0 } }
    return (await this.heads.findOne({ _id: laneId(environment, task) }, options)) ?? emptyLane(environment, task)
  }

  async lanes(environment?: string): Promise<LaneState[]> {
    const filter = environment === undefined ? {} : { environment }
    return this.heads
      .find(filter, { projection: { _id: 0 } })
      .limit(maxLanes)
      .toArray()
  }

  async lanesNamed(ids: readonly string[]): Promise<ReadonlyMap<string, LaneState>> {
    const found = await this.heads.find({ _id: { $in: [...ids] } }).toArray()
    return new Map(found.map(({ _id, ...lane }) => [_id, lane]))
  }

  async lanesOf(task: string, session?: ClientSession): Promise<LaneState[]> {
    const options = { ...(session ? { session } : {}), projection: { _id: 0 } }
    return this.heads.find({ task }, options).limit(maxLanes).toArray()
  }

  async head(environment: string, task: string, among: HeadFilter = {}): Promise<Allocation | undefined> {
    const { settled, before = Number.POSITIVE_INFINITY } = among
    const settle = settled === undefined ? {} : { cause: 'settle' as const, incumbent: settled }
    const filter = { environment, task, seq: { $lt: before }, ...settle }
    return (await this.allocations.findOne(filter, { projection: { _id: 0 }, sort: { seq: -1 } })) ?? undefined
  }

  find(place: Place): Promise<Allocation | undefined> {
    return this.byKey(place)
  }

  async entries(environment: string, task: string, range: EntryRange = {}): Promise<Allocation[]> {
    const filter = { environment, task, seq: { $gte: range.from ?? 1 } }
    const page = this.allocations.find(filter, { projection: { _id: 0 } }).sort({ seq: 1 })
    return page.limit(Math.min(range.limit ?? defaultPage, maxLanes)).toArray()
  }

  forward(request: ForwardRequest, session?: ClientSession): Promise<Appended> {
    return this.within(session, (inner) => this.forwardIn(request, inner))
  }

  restore(request: RestoreRequest, session?: ClientSession): Promise<Appended | undefined> {
    return this.within(session, (inner) => this.restoreIn(request, inner))
  }

  setDisabled(request: DisableRequest): Promise<Appended> {
    return this.database.transact((session) => this.setDisabledIn(request, session))
  }

  liftHold(request: LiftRequest, key?: string): Promise<LaneState> {
    return once(this.database, key, async (session) => {
      const { environment, task, veto } = request
      const before = await this.lane(environment, task, session)
      const { hold, ...rest } = before
      const lifted = veto === undefined ? hold : before.vetoes.find((row) => row.composite === veto)
      if (lifted === undefined) {
        throw new SluiceError(
          'not_found',
          `Nothing to lift in ${laneName(before)}; \`sluice hold ls\` lists holds and vetoes.`,
        )
      }
      const vetoes = before.vetoes.filter((row) => row.composite !== veto)
      const after = veto === undefined ? rest : { ...before, vetoes }
      await this.saveLane(after, session)
      await this.liftings.insertOne({ ...request, lifted, at: await this.database.now(session) }, { session })
      return after
    })
  }

  lifts(limit = defaultPage): Promise<Lift[]> {
    const newest = this.liftings.find({}, { projection: { _id: 0 } }).sort({ at: -1 })
    return newest.limit(Math.min(limit, maxLanes)).toArray()
  }

  verify(environment: string, task: string): Promise<{ entries: number }> {
    return this.database.transact(async (session) => {
      let folded = emptyLane(environment, task)
      const cursor = this.allocations.find({ environment, task }, { session, projection: { _id: 0 } }).sort({ seq: 1 })
      for await (const entry of cursor) {
        const { hash, prev, ...hashed } = entry
        if (entry.seq !== folded.headSeq + 1 || prev !== folded.headHash || hash !== chainHash(prev, hashed)) {
          throw brokenChain(folded, `its entry ${entry.seq} does not follow from the one before`)
        }
        folded = foldEntry(folded, entry)
      }
      const { hold: _hold, vetoes: _vetoes, ...stored } = await this.lane(environment, task, session)
      const { vetoes: _none, ...expected } = folded
      if (digestOf(stored) !== digestOf(expected)) throw brokenChain(folded, 'its head is not what its entries fold to')
      return { entries: folded.headSeq }
    })
  }

  private within<T>(session: ClientSession | undefined, work: (session: ClientSession) => Promise<T>): Promise<T> {
    return session ? work(session) : this.database.transact(work)
  }

  private async forwardIn(request: ForwardRequest, session: ClientSession): Promise<Appended> {
    const existing = await this.byKey(request, session)
    if (existing) return { entry: existing, created: false }
    assertEntry(request.draft)
    const before = await this.lane(request.environment, request.task, session)
    const promoted = request.draft.candidate ?? request.draft.incumbent
    assert(promoted !== undefined, 'a forward entry names what it promotes')
    assertForward(before, request, promoted)
    await this.gate.holdContents(promoted, session)
    const rollout = await this.gate.rolloutEnvironment(request.policy, request.environment, session)
    const { incumbent } = await this.lane(rollout, request.task, session)
    if (incumbent !== promoted) {
      const question = { task: request.task, candidate: promoted, policy: request.policy }
      await this.gate.assertDeployable({ ...question, ...(incumbent === undefined ? {} : { incumbent }) }, session)
    }
    const { entry, after } = await this.write(
      before,
      { ...request.draft, key: request.key, leadMs: request.leadMs },
      session,
    )
    await this.saveLane(after, session)
    return { entry, created: true }
  }

  private async restoreIn(request: RestoreRequest, session: ClientSession): Promise<Appended | undefined> {
    const existing = await this.byKey(request, session)
    if (existing) return { entry: existing, created: false }
    const before = await this.lane(request.environment, request.task, session)
    const { releaseId } = request
    if (releaseId !== undefined && !heldByRelease(before, releaseId)) return undefined
    if (request.expectedBase !== undefined && request.expectedBase !== before.baseSeq) {
      throw movedError(before, request.expectedBase)
    }
    const target =
      releaseId === undefined ? await this.chosenTarget(before, request.target, session) : restoreTarget(before)
    const revokes = servedByHead(before).filter((composite) => composite !== target)
    if (releaseId === undefined && before.candidate === undefined && before.incumbent === target) return undefined
    const draft: Draft = {
      cause: 'rollback',
      by: request.by,
      reason: request.reason,
      exposure: [],
      salt: request.key,
      key: request.key,
      leadMs: 0,
      ...(target === undefined ? {} : { incumbent: target }),
      ...(target === undefined || before.disabled ? { disabled: true } : {}),
      ...(releaseId === undefined ? {} : { releaseId }),
      ...(revokes.length === 0 ? {} : { revokes }),
    }
    const { entry, after } = await this.write(before, draft, session)
    await this.saveLane(penalised(after, entry, request), session)
    return { entry, created: true }
  }

  private async chosenTarget(before: LaneState, wanted: Digest | undefined, session: ClientSession): Promise<Digest> {
    const target = wanted ?? (before.candidate === undefined ? previousSettled(before) : before.incumbent)
    if (target === undefined) {
      throw new SluiceError(
        'no_previous',
        `${laneName(before)} has no earlier settled composite to go back to; \`sluice disable\` turns the task off.`,
      )
    }
    const settles = { environment: before.environment, task: before.task, cause: 'settle' as const, incumbent: target }
    if ((await this.allocations.findOne(settles, { session, projection: { _id: 1 } })) === null) {
      const { settled } = before
      throw new SluiceError('not_settled', `${target} never was the settled incumbent of ${laneName(before)}.`, {
        settled,
      })
    }
    if (isVetoed(before, target)) throw vetoedError(before, target)
    return target
  }

  private async setDisabledIn(request: DisableRequest, session: ClientSession): Promise<Appended> {
    const existing = await this.byKey(request, session)
    if (existing) return { entry: existing, created: false }
    const { environment, task, disabled } = request
    const before = await this.lane(environment, task, session)
    const head = await this.allocations.findOne(
      { environment, task, seq: before.headSeq },
      { session, projection: { _id: 0 } },
    )
    if (head === null) throw new SluiceError('not_found', `Nothing was ever deployed in ${laneName(before)}.`)
    if (before.disabled === disabled) return { entry: head, created: false }
    const { seq: _seq, at: _at, prev: _prev, hash: _hash, revokes: _revokes, disabled: _disabled, ...repeated } = head
    const draft: Draft = {
      ...repeated,
      key: request.key,
      cause: disabled ? 'disable' : 'enable',
      by: request.by,
      reason: request.reason,
      leadMs: 0,
      ...(disabled ? { disabled: true } : {}),
    }
    const { entry, after } = await this.write(before, draft, session)
    await this.saveLane(after, session)
    return { entry, created: true }
  }

  private async byKey(place: Place, session?: ClientSession): Promise<Allocation | undefined> {
    const { environment, task, key } = place
    const found = await this.allocations.findOne(
      { environment, task, key },
      { ...(session ? { session } : {}), projection: { _id: 0 } },
    )
    return found ?? undefined
  }

  /** Writes the entry; a concurrent writer of this lane collides on `_id` and on the head, and starts again. */
  private async write(before: LaneState, draft: Draft, session: ClientSession) {
    const { leadMs, ...content } = draft
    assert(leadMs >= 0, 'an entry is never dated back')
    const now = await this.database.now(session)
    const { environment, task, headSeq, headAt, headHash } = before
    const seq = headSeq + 1
    const hashed = { ...content, environment, task, seq, at: Math.max(now + leadMs, headAt + 1) }
    const entry: Allocation = chained(headHash, hashed)
    await this.allocations.insertOne({ _id: `${laneId(environment, task)}/${seq}`, ...entry }, { session })
    return { entry, after: foldEntry(before, entry) }
  }

  private async saveLane(after: LaneState, session: ClientSession): Promise<void> {
    await this.heads.replaceOne({ _id: laneName(after) }, after, { session, upsert: true })
  }
}

type Draft = EntryDraft & { readonly key: string; readonly leadMs: number; readonly disabled?: boolean }

function assertForward(before: LaneState, request: ForwardRequest, promoted: Digest): void {
  if (before.baseSeq !== request.expectedBase) throw movedError(before, request.expectedBase)
  if (before.disabled) throw new SluiceError('lane_disabled', `${laneName(before)} is disabled; enable it first.`)
  if (before.hold) {
    const { by, reason } = before.hold
    const text = `${laneName(before)} is held since a rollback (${by}: ${reason}). Lift it with \`sluice hold lift\`.`
    throw new SluiceError('lane_held', text)
  }
  if (isVetoed(before, promoted)) throw vetoedError(before, promoted)
  if (before.candidate !== undefined && before.candidate !== promoted) throw runningError(before)
  if (request.draft.cause === 'step' && request.draft.incumbent !== before.incumbent) {
    const { incumbent } = before
    throw new SluiceError('invalid_entry', `The incumbent of ${laneName(before)} is another one.`, { incumbent })
  }
}

function penalised(after: LaneState, entry: Allocation, request: RestoreRequest): LaneState {
  const mark = { by: request.by, at: entry.at, reason: request.reason }
  const vetoes = request.penalties.veto ? (entry.revokes ?? []).map((composite) => ({ composite, ...mark })) : []
  const kept = after.vetoes.filter((row) => !vetoes.some((added) => added.composite === row.composite))
  return { ...after, ...(request.penalties.hold ? { hold: mark } : {}), vetoes: [...kept, ...vetoes] }
}

function movedError(before: LaneState, expectedBase: number): SluiceError {
  const cause = before.baseCause ?? 'nothing'
  return new SluiceError(
    'lane_moved',
    `${laneName(before)} moved from entry ${expectedBase} to ${before.baseSeq} by a ${cause}; this step stops.`,
    { baseSeq: before.baseSeq, cause, releaseId: before.releaseId },
  )
}

/** A candidate leaves its lane by its settle or by a rollback; dropped, it would serve on with nobody watching. */
function runningError(before: LaneState): SluiceError {
  const { candidate, releaseId } = before
  const text = `${laneName(before)} has the candidate of another release (${releaseId ?? candidate}); roll it back first.`
  return new SluiceError('release_running', text, { release: releaseId, candidate })
}

function vetoedError(before: LaneState, composite: Digest): SluiceError {
  const text = `${composite} is vetoed in ${laneName(before)}. Lift it with \`sluice hold lift --veto\`.`
  return new SluiceError('vetoed', text, { composite })
}

const brokenChain = (lane: LaneState, what: string): SluiceError =>
  new SluiceError('chain_broken', `The ledger of ${laneName(lane)} does not verify: ${what}.`)
