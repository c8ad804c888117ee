import type { ClientSession } from 'mongodb'
import { ulid } from 'ulid'
import { isDigest, parseRef } from '../domain/ref'
import {
  defaultSetting,
  type GarbageItem,
  type GarbagePhase,
  type GarbagePlan,
  type GarbageRun,
  type GarbageRunState,
  type GarbageTally,
  type GarbageVerdict,
  longerOf,
  nothingDropped,
  type RetentionPolicy,
  type RetentionSetting,
} from '../domain/retention'
import { assertNever, SluiceError } from '../errors'
import type { ContentDocument } from './capture-documents'
import type { CompositeDocument } from './composite-documents'
import type { CollectionSpec, Database } from './database'
import { dropOutputs, measureOutputs } from './garbage-outputs'
import { type Reach, reachOf } from './garbage-reach'
import { dropRows, measureRows } from './garbage-rows'
import { batches, type Collection, dropIn, type Rules, RunEnded } from './garbage-run'
import { droppable, droppableSince, dropVersions, hasRows, isDroppableKind, namedRoots } from './garbage-versions'
import { maxPage } from './list-page'
import { once } from './once'
import { lastUsedAt } from './version-uses'
import { databaseView } from './version-view'

/** What nobody needs any more: found, explained, and its heavy part dropped. Metadata, scores and lineage stay for ever. */
export interface Garbage {
  policy(): Promise<RetentionSetting>
  /** Once under a `key`. */
  setPolicy(
    policy: RetentionPolicy & Pick<RetentionSetting, 'automatic'>,
    author: { readonly by: string; readonly reason: string },
    key?: string,
  ): Promise<RetentionSetting>
  /** A dry run. `limit`: of the items that are listed; the totals are whole. */
  plan(limit: number): Promise<GarbagePlan>
  /** Why a version (`kind/name@semver`) or a composite (its id) is kept, or may go. Throws unknown_ref, not_found. */
  explain(ref: string): Promise<GarbageVerdict>
  /** Begins a run; the one that runs already is given back instead. */
  open(by: string): Promise<GarbageRun>
  /**
   * One part of a run. It may run twice, also at the same time, or be cut off anywhere: what is left is dropped when it
   * runs again. Of a run that was closed nothing is dropped any more. Returns what the run dropped of it. Throws
   * payload_too_large, not_found, and the signal's reason.
   */
  collect(id: string, phase: GarbagePhase, hooks?: CollectHooks): Promise<GarbageTally>
  /** The first to close it says how it ended. */
  close(id: string, state: Exclude<GarbageRunState, 'running'>, failure?: string): Promise<GarbageRun>
  /** Throws not_found. */
  run(id: string): Promise<GarbageRun>
  /** The newest first. */
  runs(page: { readonly after?: string; readonly limit?: number }): Promise<readonly GarbageRun[]>
}

export interface CollectHooks {
  readonly signal?: AbortSignal
  readonly onProgress?: (sofar: GarbageTally) => void
}

type RunDocument = Omit<GarbageRun, 'id'> & { readonly _id: string }
type PolicyDocument = RetentionSetting & { readonly _id: number }

export const garbageCollections: readonly CollectionSpec[] = [
  // One run at a time: whoever asks again is given that one.
  { name: 'gc_runs', indexes: [{ key: { state: 1 }, unique: true, partial: { state: 'running' } }] },
  { name: 'gc_policies' },
]

const capturesTogether = 500
const maxFailureLength = 1_000
const duplicateKey = 11_000
const runFrom = ({ _id, ...rest }: RunDocument): GarbageRun => ({ id: _id, ...rest })

export function createGarbage(database: Database): Garbage {
  return new MongoGarbage(database)
}

class MongoGarbage implements Garbage {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  async policy(): Promise<RetentionSetting> {
    const [newest] = await this.policies().find().sort({ _id: -1 }).limit(1).toArray()
    if (newest === undefined) return defaultSetting
    const { _id, ...setting } = newest
    return { ...defaultSetting, ...setting }
  }

  async setPolicy(
    { automatic, ...policy }: RetentionPolicy & Pick<RetentionSetting, 'automatic'>,
    author: { readonly by: string; readonly reason: string },
    key?: string,
  ): Promise<RetentionSetting> {
    if (author.reason.trim() === '') throw new SluiceError('reason_missing', 'Say why retention is changed.')
    return once(this.database, key, async (session) => {
      const [newest] = await this.policies().find({}, { session }).sort({ _id: -1 }).limit(1).toArray()
      const at = await this.database.now(session)
      const setting = { ...policyOf(policy), automatic, ...author, at }
      await this.policies().insertOne({ _id: (newest?._id ?? 0) + 1, ...setting }, { session })
      return setting
    })
  }

  async plan(limit: number): Promise<GarbagePlan> {
    const of = await this.rules()
    const reach = await this.reach(of)
    const items: GarbageItem[] = []
    const withRows = new Set<string>()
    let versions: GarbageTally = { count: 0, bytes: 0 }
    for await (const item of droppable(this.database, reach, of)) {
      versions = { count: versions.count + 1, bytes: versions.bytes + item.bytes }
      if (item.what === 'rows') withRows.add(item.ref)
      if (items.length < limit) items.push(item)
    }
    const standing = { dropped: { $exists: false } }
    return {
      policy: policyOf(of.policy),
      at: of.now,
      totals: {
        versions,
        outputs: await measureOutputs(this.database, reach, of),
        rows: await measureRows(this.database, await namedRoots(this.database, withRows), of),
        captures: { count: await this.contents().countDocuments(expired(of)), bytes: 0 },
      },
      items,
      kept: {
        needed: reach.size,
        versions: (await this.database.collection('versions').countDocuments(standing)) - versions.count,
      },
    }
  }

  async explain(ref: string): Promise<GarbageVerdict> {
    const of = await this.rules()
    if (isDigest(ref)) return this.explainComposite(ref, of)
    const document = await databaseView(this.database).find(parseRef(ref))
    const { dropped, digest, _id } = document
    const thing = { ref: _id, digest }
    if (dropped !== undefined) return { ...thing, verdict: 'dropped', path: [dropped.why], dropped }
    const reach = await this.reach(of)
    if (reach.isNeeded(digest)) return { ...thing, verdict: 'kept', path: reach.path(digest) }
    const used = lastUsedAt(document)
    if (used >= droppableSince(of).getTime()) return { ...thing, verdict: 'recent', path: [usedText(used)] }
    const size = Buffer.byteLength(document.content)
    if (!isDroppableKind(document.kind)) {
      return { ...thing, verdict: 'kept', path: [`later versions of a ${document.kind} are held against it`] }
    }
    if (!hasRows(document.kind) && size <= of.policy.heavyBytes) {
      return {
        ...thing,
        verdict: 'light',
        path: [`its content has ${size} bytes, and ${of.policy.heavyBytes} are no burden`],
      }
    }
    return { ...thing, verdict: 'droppable', path: [`nothing that serves or served needs it`, usedText(used)] }
  }

  async open(by: string): Promise<GarbageRun> {
    const running = await this.documents().findOne({ state: 'running' })
    if (running !== null) return runFrom(running)
    const startedAt = await this.database.now()
    const policy = policyOf(await this.policy())
    const fresh = { _id: ulid(startedAt), by, state: 'running' as const, policy, startedAt, totals: nothingDropped }
    try {
      await this.documents().insertOne(fresh)
      return runFrom(fresh)
    } catch (error) {
      const raced = (error as { code?: unknown }).code === duplicateKey
      const other = raced ? await this.documents().findOne({ state: 'running' }) : null
      if (other === null) throw error
      return runFrom(other)
    }
  }

  async collect(id: string, phase: GarbagePhase, hooks: CollectHooks = {}): Promise<GarbageTally> {
    const { by, policy } = await this.document(id)
    await this.documents().updateOne({ _id: id, state: 'running' }, { $set: { phase } })
    const { policy: current, now } = await this.rules()
    const of = { id, by, policy: longerOf(policy, current), now, ...this.counting({ id, phase }, hooks) }
    try {
      await this.drop(phase, of)
    } catch (error) {
      if (!(error instanceof RunEnded)) throw error
    }
    return (await this.document(id)).totals[phase]
  }

  async close(id: string, state: Exclude<GarbageRunState, 'running'>, failure?: string): Promise<GarbageRun> {
    const endedAt = await this.database.now()
    const why = failure === undefined ? {} : { failure: failure.slice(0, maxFailureLength) }
    await this.documents().updateOne({ _id: id, state: 'running' }, { $set: { state, endedAt, ...why } })
    return this.run(id)
  }

  async run(id: string): Promise<GarbageRun> {
    return runFrom(await this.document(id))
  }

  async runs({ after, limit = maxPage }: { readonly after?: string; readonly limit?: number }) {
    const page = this.documents().find(after === undefined ? {} : { _id: { $lt: after } })
    return (await page.sort({ _id: -1 }).limit(Math.min(limit, maxPage)).toArray()).map(runFrom)
  }

  private async drop(phase: GarbagePhase, of: Collection): Promise<void> {
    switch (phase) {
      case 'versions':
        return dropVersions(this.database, await this.reach(of), of)
      case 'outputs':
        return dropOutputs(this.database, await this.reach(of), of)
      case 'rows':
        return dropRows(this.database, of)
      case 'captures':
        return this.dropCaptures(of)
      default:
        return assertNever(phase)
    }
  }

  /** Counting holds the document of the run, so one that was closed meanwhile takes back what was about to be dropped. */
  private counting({ id, phase }: { id: string; phase: GarbagePhase }, { signal, onProgress }: CollectHooks) {
    return {
      count: async ({ count, bytes }: GarbageTally, session: ClientSession): Promise<void> => {
        const counted = { [`totals.${phase}.count`]: count, [`totals.${phase}.bytes`]: bytes }
        const options = { session, returnDocument: 'after' as const }
        const run = await this.documents().findOneAndUpdate({ _id: id, state: 'running' }, { $inc: counted }, options)
        if (run === null) throw new RunEnded()
        onProgress?.(run.totals[phase])
      },
      proceed: () => signal?.throwIfAborted(),
    }
  }

  private async dropCaptures(of: Collection): Promise<void> {
    const old = this.contents().find(expired(of), { projection: { _id: 1 } })
    for await (const batch of batches(old, capturesTogether)) {
      const gone = { _id: { $in: batch.map(({ _id }) => _id) }, ...expired(of) }
      await dropIn(this.database, of, async (session) => {
        return { count: (await this.contents().deleteMany(gone, { session })).deletedCount, bytes: 0 }
      })
    }
  }

  private async explainComposite(id: CompositeDocument['_id'], of: Rules): Promise<GarbageVerdict> {
    const found = await this.database.collection<CompositeDocument>('composites').findOne({ _id: id })
    if (found === null) throw new SluiceError('not_found', `No composite ${id} is committed here.`, { id })
    const reach = await this.reach(of)
    const thing = { ref: id, digest: id }
    if (reach.isNeeded(id)) return { ...thing, verdict: 'kept', path: reach.path(id) }
    return {
      ...thing,
      verdict: 'droppable',
      path: ['nothing that serves or served needs it', usedText(lastUsedAt(found))],
    }
  }

  private async rules(): Promise<Rules> {
    return { policy: policyOf(await this.policy()), now: await this.database.now() }
  }

  private reach(of: Rules): Promise<Reach> {
    return reachOf(this.database, droppableSince(of))
  }

  private async document(id: string): Promise<RunDocument> {
    const found = await this.documents().findOne({ _id: id })
    if (found === null)
      throw new SluiceError('not_found', `There is no run ${id}; \`sluice gc ls\` lists them.`, { id })
    return found
  }

  private documents() {
    return this.database.collection<RunDocument>('gc_runs')
  }

  private policies() {
    return this.database.collection<PolicyDocument>('gc_policies')
  }

  private contents() {
    return this.database.collection<ContentDocument>('captureContents')
  }
}

const policyOf = ({ experimentDays, uploadDays, heavyBytes }: RetentionPolicy): RetentionPolicy => ({
  experimentDays,
  uploadDays,
  heavyBytes,
})

const expired = ({ now }: Rules) => ({ expiresAt: { $lt: new Date(now) } })
const usedText = (at: number): string => `it was last used at ${new Date(at).toISOString()}`
