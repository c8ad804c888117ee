import { MongoBulkWriteError, MongoServerError } from 'mongodb'
import { ulid } from 'ulid'
import { assertId } from '../domain/bucket'
import { type CapturedContent, type CaptureState, isSampled } from '../domain/capture'
import { SluiceError } from '../errors'
import {
  type CaptureAct,
  type CaptureAuditEntry,
  type CapturePolicy,
  type CaptureReporterDocument,
  type ContentDocument,
  contentId,
  conversationIdOf,
  type IndexDocument,
  type KeyDocument,
  type PolicyDocument,
} from './capture-documents'
import type { Database } from './database'
import { once } from './once'
import type { Belongs, Vault } from './vault'

export interface Author {
  readonly by: string
  readonly reason: string
}

export interface PolicyChange extends Author {
  readonly environment: string
  readonly task: string
  readonly basisPoints: number
  readonly retentionMs: number
}

/** A delivery of one application process. */
export interface CaptureDelivery {
  readonly reporter: string
  readonly environment: string
  readonly contents: readonly CapturedContent[]
  /** What the process had to leave out since it started. */
  readonly dropped: number
}

/** Whose content it is; the request log says so. */
export interface CapturedRequest {
  readonly requestId: string
  readonly environment: string
  readonly task: string
  readonly tenant: string
  readonly conversation: string
}

/** What was served, as the application handed it over. */
export type ReadContent = Pick<CapturedContent, 'input' | 'output'>

export interface Erasure {
  readonly at: number
  readonly by: string
  readonly reason: string
  /** False: it was erased before, by the one named. */
  readonly erasedNow: boolean
}

/** How much a lane holds, and what applications could not hand over within the last day. */
export interface CaptureStatus extends CapturePolicy {
  readonly kept: number
  readonly bytes: number
}

const maxPolicies = 10_000
const maxContentsPerConversation = 10_000
const maxAudit = 1_000
const duplicateKey = 11_000

/** Inputs and outputs of served requests: opt-in, encrypted with a key for each conversation, erased by forgetting it. */
export class Captures {
  private readonly database: Database
  private readonly vault: Vault

  constructor(database: Database, vault: Vault) {
    this.database = database
    this.vault = vault
  }

  /** Once under a `key`. Code `capture_unavailable` without a master key, so that nobody believes that something is kept. */
  async setPolicy(change: PolicyChange, key?: string): Promise<CapturePolicy> {
    if (change.basisPoints > 0 && !this.vault.ready) {
      throw new SluiceError('capture_unavailable', 'This server has no key to encrypt captured content with.')
    }
    const { environment, task, by, reason } = change
    return once(this.database, key, async (session) => {
      const at = await this.database.now(session)
      const policy: CapturePolicy = { ...change, at }
      await this.policyRows().replaceOne({ _id: `${environment}/${task}` }, policy, { session, upsert: true })
      const act = { act: 'policy' as const, environment, task, basisPoints: change.basisPoints }
      await this.note(act, { by, reason }, { at, session })
      return policy
    })
  }

  async policies(environment?: string): Promise<readonly CaptureStatus[]> {
    const filter = environment === undefined ? {} : { environment }
    const rows = await this.policyRows()
      .find(filter, { projection: { _id: 0 } })
      .sort({ _id: 1 })
      .limit(maxPolicies)
      .toArray()
    const now = await this.database.now()
    return Promise.all(rows.map(async (row) => ({ ...row, ...(await this.held(row, now)) })))
  }

  /** Whether the lane captures any share of its conversations. */
  async isOn(environment: string, task: string): Promise<boolean> {
    const policy = await this.policyRows().findOne({ _id: `${environment}/${task}` })
    return (policy?.basisPoints ?? 0) > 0
  }

  /** Contents that applications left out or that were refused within the last day. */
  async lost(environment?: string): Promise<{ readonly dropped: number; readonly refused: number }> {
    const sums = { $group: { _id: null, dropped: { $sum: '$dropped' }, refused: { $sum: '$refused' } } }
    const match = { $match: environment === undefined ? {} : { environment } }
    const [row] = await this.reporters().aggregate<{ dropped: number; refused: number }>([match, sums]).toArray()
    return { dropped: row?.dropped ?? 0, refused: row?.refused ?? 0 }
  }

  /**
   * Keeps what the policies ask for; idempotent by request. The rest (not asked for, erased, full, no key) is refused and
   * counted, never an error: the application has done its part.
   */
  async take(delivery: CaptureDelivery): Promise<{ readonly taken: number; readonly refused: number }> {
    const { environment, contents, reporter, dropped } = delivery
    const now = await this.database.now()
    const policies = new Map(
      (await this.policyRows().find({ environment }).limit(maxPolicies).toArray()).map((row) => [row.task, row]),
    )
    const wanted = contents.filter(({ task, tenant, conversation }) => {
      const policy = policies.get(task)
      return this.vault.ready && isSampled(policy, tenant, conversation)
    })
    let taken = 0
    for (const [conversationId, own] of byConversation(wanted)) {
      const expiresAt = now + Math.max(...own.map(({ task }) => policies.get(task)?.retentionMs ?? 0))
      const key = await this.openKey(conversationId, own.length, expiresAt)
      if (key === undefined) continue
      const documents = own.map((content) => {
        const belongs = belongsTo(environment, content)
        const text = JSON.stringify({ input: content.input, output: content.output })
        const _id = contentId(conversationId, content.requestId)
        const until = now + (policies.get(content.task)?.retentionMs ?? 0)
        const index: IndexDocument = {
          ...{ _id, environment, task: content.task, at: now, expiresAt: until },
          ...{ bytes: Buffer.byteLength(text), receivedAt: new Date(now) },
        }
        return { index, content: { _id, ...this.vault.seal(key, text, belongs), expiresAt: new Date(until) } }
      })
      // The content first: an index without content would say that something expired which never was.
      await insertNew(() =>
        this.contents().insertMany(
          documents.map(({ content }) => content),
          { ordered: false },
        ),
      )
      await insertNew(() =>
        this.index().insertMany(
          documents.map(({ index }) => index),
          { ordered: false },
        ),
      )
      taken += own.length
    }
    const refused = contents.length - taken
    await this.reporters().updateOne(
      { _id: reporter },
      { $set: { environment, dropped, seenAt: new Date(now) }, $inc: { refused } },
      { upsert: true },
    )
    return { taken, refused }
  }

  async state(request: CapturedRequest): Promise<CaptureState> {
    const conversationId = conversationIdOf(request.tenant, request.conversation)
    const _id = contentId(conversationId, request.requestId)
    const [key, index, now] = await Promise.all([
      this.keys().findOne({ _id: conversationId }),
      this.index().findOne({ _id }),
      this.database.now(),
    ])
    if (key?.erased) return { state: 'erased', ...key.erased }
    if (index === null) return { state: 'none' }
    const { at, expiresAt, bytes } = index
    return expiresAt <= now || !key?.wrapped
      ? { state: 'expired', at, expiresAt }
      : { state: 'kept', at, expiresAt, bytes }
  }

  /**
   * The content, for a reader who is written down before anything is decrypted. Codes: capture_missing, capture_erased,
   * capture_unreadable.
   */
  async read(request: CapturedRequest, author: Author, act: 'read' | 'reproduce' = 'read'): Promise<ReadContent> {
    const state = await this.state(request)
    const { requestId } = request
    if (state.state !== 'kept') throw goneError(requestId, state)
    const conversationId = conversationIdOf(request.tenant, request.conversation)
    await this.note({ act, requestId, conversationId }, author)
    const [key, content] = await Promise.all([
      this.keys().findOne({ _id: conversationId }),
      this.contents().findOne({ _id: contentId(conversationId, requestId) }),
    ])
    if (!key?.wrapped || content === null) throw goneError(requestId, await this.state(request))
    const dataKey = this.vault.openKey(key.wrapped, { conversationId })
    return JSON.parse(this.vault.open(dataKey, content, belongsTo(request.environment, request))) as ReadContent
  }

  /** Throws the conversation's key away, for good; later contents of it are refused. Idempotent: the first one stands. */
  async erase(tenant: string, conversation: string, author: Author): Promise<Erasure> {
    assertId('tenant', tenant)
    assertId('conversation', conversation)
    const _id = conversationIdOf(tenant, conversation)
    return this.database.transact(async (session) => {
      const known = await this.keys().findOne({ _id }, { session })
      if (known?.erased) return { ...known.erased, erasedNow: false }
      const erased = { at: await this.database.now(session), ...author }
      await this.keys().updateOne(
        { _id },
        { $set: { erased }, $unset: { wrapped: 1, expiresAt: 1 } },
        { session, upsert: true },
      )
      await this.note({ act: 'erase', conversationId: _id }, author, { at: erased.at, session })
      return { ...erased, erasedNow: true }
    })
  }

  /** Who did what, the newest first; `after` is the id of the last one of the page before. */
  async audit(page: { readonly after?: string; readonly limit?: number } = {}): Promise<readonly CaptureAuditEntry[]> {
    const found = this.acts()
      .find(page.after === undefined ? {} : { _id: { $lt: page.after } })
      .sort({ _id: -1 })
      .limit(Math.min(page.limit ?? maxAudit, maxAudit))
    return (await found.toArray()).map(({ _id, ...rest }) => ({ id: _id, ...rest }) as CaptureAuditEntry)
  }

  private async held({ environment, task }: CapturePolicy, now: number) {
    const match = { $match: { environment, task, expiresAt: { $gt: now } } }
    const sums = { $group: { _id: null, kept: { $sum: 1 }, bytes: { $sum: '$bytes' } } }
    const [row] = await this.index().aggregate<{ kept: number; bytes: number }>([match, sums]).toArray()
    return { kept: row?.kept ?? 0, bytes: row?.bytes ?? 0 }
  }

  /** The conversation's data key, made now where there is none; undefined where it may have no more contents. */
  private async openKey(conversationId: string, count: number, expiresAt: number) {
    const fresh = this.vault.newKey({ conversationId })
    const open = { _id: conversationId, erased: { $exists: false } }
    const change = {
      $setOnInsert: { wrapped: fresh },
      $max: { expiresAt: new Date(expiresAt) },
      $inc: { contents: count },
    }
    const options = { upsert: true, returnDocument: 'after' } as const
    // Erased: the filter finds nothing, and what it would insert is there. Made by another at this moment: found again.
    const found =
      (await this.keys().findOneAndUpdate(open, change, options).catch(ignoreDuplicate)) ??
      (await this.keys().findOneAndUpdate(open, change, { returnDocument: 'after' }))
    if (!found?.wrapped || (found.contents ?? 0) > maxContentsPerConversation) return undefined
    try {
      return this.vault.openKey(found.wrapped, { conversationId })
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'capture_unreadable') return undefined
      throw error
    }
  }

  private async note(
    act: CaptureAct,
    author: Author,
    within?: { readonly at: number; readonly session: Parameters<Parameters<Database['transact']>[0]>[0] },
  ): Promise<void> {
    const at = within?.at ?? (await this.database.now())
    await this.acts().insertOne({ _id: ulid(at), ...act, ...author, at }, within ? { session: within.session } : {})
  }

  private policyRows() {
    return this.database.collection<PolicyDocument>('capturePolicies')
  }
  private keys() {
    return this.database.collection<KeyDocument>('captureKeys')
  }
  private contents() {
    return this.database.collection<ContentDocument>('captureContents')
  }
  private index() {
    return this.database.collection<IndexDocument>('captureIndex')
  }
  private reporters() {
    return this.database.collection<CaptureReporterDocument>('captureReporters')
  }
  private acts() {
    return this.database.collection<CaptureAct & Author & { _id: string; at: number }>('captureAudit')
  }
}

/** What the cipher text is bound to: neither another request, conversation, task nor environment opens it. */
const belongsTo = (environment: string, request: Omit<CapturedRequest, 'environment'>): Belongs => ({
  requestId: request.requestId,
  conversationId: conversationIdOf(request.tenant, request.conversation),
  environment,
  task: request.task,
})

function byConversation(contents: readonly CapturedContent[]): ReadonlyMap<string, readonly CapturedContent[]> {
  const groups = new Map<string, CapturedContent[]>()
  for (const content of contents) {
    const id = conversationIdOf(content.tenant, content.conversation)
    const group = groups.get(id)
    if (group) group.push(content)
    else groups.set(id, [content])
  }
  return groups
}

function goneError(requestId: string, state: CaptureState): SluiceError {
  const details = { requestId, ...state }
  if (state.state === 'erased') {
    const when = new Date(state.at).toISOString()
    return new SluiceError(
      'capture_erased',
      `The content of ${requestId} was erased at ${when} by ${state.by}.`,
      details,
    )
  }
  const why =
    state.state === 'expired'
      ? `expired at ${new Date(state.expiresAt).toISOString()}`
      : 'was never captured: capture was off, the conversation was not sampled, or the application had to drop it'
  return new SluiceError('capture_missing', `The content of ${requestId} ${why}.`, details)
}

function ignoreDuplicate(error: unknown): undefined {
  if (error instanceof MongoServerError && error.code === duplicateKey) return undefined
  throw error
}

/** A repeated delivery finds what the first one wrote. */
async function insertNew(insert: () => Promise<unknown>): Promise<void> {
  try {
    await insert()
  } catch (error) {
    const failures = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [error as { code?: unknown }]
    if (failures.length === 0 || failures.some((failure) => failure.code !== duplicateKey)) throw error
  }
}
