import { randomUUID } from 'node:crypto'
import type { AnyBulkWriteOperation, ClientSession, Collection, Filter } from 'mongodb'
import type { Audience, NoteDocument, NoteKind, RenderedNote } from '../domain/note-input'
import { SluiceError } from '../errors'
import type { Delivery, Message } from '../notify/channel'
import { type Channels, createChannels } from './channels'
import type { CollectionSpec, Database } from './database'
import { once } from './once'

/** `cancelled`: taken back before it was certain to be read; it is sent no more. */
export const messageStates = ['pending', 'delivered', 'dead', 'cancelled'] as const
export type MessageState = (typeof messageStates)[number]

/** A note for one tenant through one channel, not yet in the outbox. */
export interface MessageDraft extends RenderedNote {
  readonly release: string
  readonly kind: NoteKind
  readonly tenant: string
  readonly channel: string
}

export interface OutboxMessage extends Message {
  readonly channel: string
  readonly state: MessageState
  /** Attempts that began, ever. */
  readonly attempts: number
  /** Attempts that may begin, ever; a re-send raises it. */
  readonly allowed: number
  /** Milliseconds since the epoch: no attempt begins before. */
  readonly dueAt: number
  readonly lastError?: string
  readonly receipt?: string
  readonly deliveredAt?: number
  readonly resentBy?: string
}

/** A message that one sender may send until its lease ends. */
export interface Claim {
  readonly message: OutboxMessage
  readonly lease: string
}

export interface Enqueued {
  readonly enqueued: number
  /** Notes that a retraction took out before anybody could have read them. */
  readonly cancelled: number
}

/** A note of a release as it went out: to whom, through what, and as what. */
export interface ToldNote {
  readonly tenant: NoteDocument['tenant']
  readonly audience: Audience
  readonly channel: string
}

export interface MessageFilter {
  readonly release?: string
  readonly tenant?: string
  readonly state?: MessageState
  /** The id after which the page begins. */
  readonly after?: string
  readonly limit?: number
}

/**
 * Messages written in the transaction that makes them true, delivered at least once after it. A message has one id
 * (`<release>/<kind>/<tenant>/<channel>`), which every attempt carries. Times are the store's, handed in as `now`.
 */
export interface Outbox {
  readonly channels: Channels
  /**
   * Idempotent by message id. A retraction of a note that nobody can have read cancels that note and is not sent; one of
   * a note that was never written does nothing.
   */
  enqueue(drafts: readonly MessageDraft[], now: number, session?: ClientSession): Promise<Enqueued>
  /** Takes the places of those of these notes that are not written: who comes late to write them writes nothing. */
  keepOut(drafts: readonly MessageDraft[], now: number): Promise<void>
  /** The notes of a release that are not cancelled unread, page by page; what is written meanwhile may be among them. */
  told(release: string): AsyncIterable<ToldNote>
  /** The message that waits longest; its attempt counts from here on, whatever becomes of the sender. */
  claim(now: number, release?: string): Promise<Claim | undefined>
  /** What became of an attempt. `delivered` always counts; the rest only while the claim holds. */
  settle(claim: Claim, delivery: Delivery, now: number): Promise<void>
  /** Buries messages whose senders all vanished. Answers how many. */
  buryExhausted(now: number): Promise<number>
  /** By id. */
  list(filter: MessageFilter): Promise<OutboxMessage[]>
  counts(release: string): Promise<Readonly<Record<MessageState, number>>>
  /** How many were tried in vain so far and were written before this moment; their attempts go on. */
  delayed(release: string, enqueuedBefore: number): Promise<number>
  /** Gives a dead letter a new round of attempts, once under a `key`. Codes: not_found, not_dead_letter. */
  resend(id: string, by: string, now: number, key?: string): Promise<OutboxMessage>
}

/** Longer than any channel takes for one attempt. */
export const leaseMs = 60_000
/** With the pauses below about six hours. */
export const maxAttempts = 16
const firstPauseMs = 2_000
const longestPauseMs = 3_600_000
const maxPage = 200
const maxErrorCharacters = 500

type MessageDocument = Omit<OutboxMessage, 'id'> & { _id: string; lease?: string; leaseUntil?: number }

export const outboxCollections: readonly CollectionSpec[] = [
  {
    name: 'outbox',
    indexes: [
      { key: { state: 1, dueAt: 1 } },
      { key: { release: 1, state: 1, dueAt: 1 } },
      { key: { state: 1, _id: 1 } },
    ],
  },
]

export const messageId = ({ release, kind, tenant, channel }: Omit<MessageDraft, keyof RenderedNote>): string =>
  `${release}/${kind}/${tenant}/${channel}`

/** The pause before the next attempt: doubles from two seconds to an hour. */
export const pauseAfter = (attempt: number): number =>
  Math.min(longestPauseMs, firstPauseMs * 2 ** Math.max(0, attempt - 1))

export function createOutbox(database: Database): Outbox {
  const messages = database.collection<MessageDocument>('outbox')
  return {
    channels: createChannels(database),
    async enqueue(drafts, now, session) {
      const announced = await insert(
        messages,
        drafts.filter(({ kind }) => kind === 'release').map((draft) => fresh(draft, now)),
        session,
      )
      const taken = drafts.filter(({ kind }) => kind === 'retraction')
      if (taken.length === 0) return { enqueued: announced, cancelled: 0 }
      const retract = (inside: ClientSession) => retractAll(messages, taken, now, inside)
      const retracted = await (session ? retract(session) : database.transact(retract))
      return { enqueued: announced + retracted.enqueued, cancelled: retracted.cancelled }
    },
    async keepOut(drafts, now) {
      await insert(
        messages,
        drafts.map((draft) => ({ ...fresh(draft, now), state: 'cancelled' })),
      )
    },
    told: (release) => told(messages, release),
    claim: (now, release) => claim(messages, now, release),
    settle: (claimed, delivery, now) => settle(messages, claimed, delivery, now),
    async buryExhausted(now) {
      const exhausted: Filter<MessageDocument> = {
        state: 'pending',
        dueAt: { $lte: now },
        $expr: { $gte: ['$attempts', '$allowed'] },
      }
      const lastError = 'the last attempt ended without an answer'
      const { modifiedCount } = await messages.updateMany(exhausted, {
        $set: { state: 'dead', lastError },
        $unset: { lease: 1, leaseUntil: 1 },
      })
      return modifiedCount
    },
    async list({ release, tenant, state, after, limit = maxPage }) {
      const filter = { ...given('release', release), ...given('tenant', tenant), ...given('state', state) }
      const page = after === undefined ? filter : { ...filter, _id: { $gt: after } }
      const found = await messages.find(page, { sort: { _id: 1 }, limit: Math.min(limit, maxPage) }).toArray()
      return found.map(toMessage)
    },
    counts: (release) => counts(messages, release),
    delayed: (release, enqueuedBefore) =>
      messages.countDocuments({
        release,
        state: 'pending',
        attempts: { $gte: 1 },
        enqueuedAt: { $lt: enqueuedBefore },
      }),
    resend: (id, by, now, key) => once(database, key, (session) => resend(messages, id, { by, now, session })),
  }
}

type Messages = Collection<MessageDocument>

const given = <K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: V }

const withSession = (session: ClientSession | undefined) => (session ? { session } : {})

function fresh(
  { release, kind, tenant, channel, subject, markdown, html, data }: MessageDraft,
  now: number,
): MessageDocument {
  const draft = { release, kind, tenant, channel, subject, markdown, html, data }
  return {
    _id: messageId(draft),
    ...draft,
    enqueuedAt: now,
    state: 'pending',
    attempts: 0,
    allowed: maxAttempts,
    dueAt: now,
  }
}

async function insert(
  messages: Messages,
  documents: readonly MessageDocument[],
  session?: ClientSession,
): Promise<number> {
  if (documents.length === 0) return 0
  const upserts = documents.map(
    ({ _id, ...rest }): AnyBulkWriteOperation<MessageDocument> => ({
      updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true },
    }),
  )
  const { upsertedCount } = await messages.bulkWrite(upserts, {
    ordered: session !== undefined,
    ...withSession(session),
  })
  return upsertedCount
}

async function retractAll(
  messages: Messages,
  drafts: readonly MessageDraft[],
  now: number,
  session: ClientSession,
): Promise<Enqueued> {
  let enqueued = 0
  let cancelled = 0
  for (const draft of drafts) {
    const note = await cancelNote(messages, draft, session)
    if (note === undefined) continue
    if (note.attempts === 0) {
      cancelled += 1
    } else {
      // An attempt that is under way ends first, so that the retraction is not read before the note.
      const dueAt = Math.max(now, note.leaseUntil ?? now)
      enqueued += await insert(messages, [{ ...fresh(draft, now), dueAt }], session)
    }
  }
  return { enqueued, cancelled }
}

/** Takes the note of a retraction out, where it is not delivered. Answers what it was before. */
async function cancelNote(
  messages: Messages,
  draft: MessageDraft,
  session: ClientSession,
): Promise<MessageDocument | undefined> {
  const _id = messageId({ ...draft, kind: 'release' })
  const note = await messages.findOne({ _id }, { session })
  if (note === null) return undefined
  if (note.state !== 'delivered') await messages.updateOne({ _id }, { $set: { state: 'cancelled' } }, { session })
  return note
}

async function* told(messages: Messages, release: string): AsyncGenerator<ToldNote> {
  const prefix = `${release}/release`
  let after = `${prefix}/`
  for (;;) {
    const page = await messages
      .find<Pick<MessageDocument, '_id' | 'channel' | 'data'>>(
        // `0` comes right after `/`. Rows of a release whose id begins with this prefix lie in the range too.
        { _id: { $gt: after, $lt: `${prefix}0` }, release, $nor: [{ state: 'cancelled', attempts: 0 }] },
        { projection: { channel: 1, 'data.tenant': 1, 'data.audience': 1 }, sort: { _id: 1 }, limit: maxPage },
      )
      .hint({ _id: 1 })
      .toArray()
    const last = page.at(-1)
    if (last === undefined) return
    yield* page.map(({ channel, data: { tenant, audience } }) => ({ tenant, audience, channel }))
    after = last._id
  }
}

async function claim(messages: Messages, now: number, release?: string): Promise<Claim | undefined> {
  const lease = randomUUID()
  const due: Filter<MessageDocument> = {
    ...given('release', release),
    state: 'pending',
    dueAt: { $lte: now },
    $expr: { $lt: ['$attempts', '$allowed'] },
  }
  const until = now + leaseMs
  const taken = await messages.findOneAndUpdate(
    due,
    { $set: { lease, leaseUntil: until, dueAt: until }, $inc: { attempts: 1 } },
    { sort: { dueAt: 1 }, returnDocument: 'after' },
  )
  return taken ? { message: toMessage(taken), lease } : undefined
}

async function settle(messages: Messages, { message, lease }: Claim, delivery: Delivery, now: number): Promise<void> {
  const ended = { $unset: { lease: 1, leaseUntil: 1 } } as const
  if (delivery.result === 'delivered') {
    const reached = { state: 'delivered', deliveredAt: now, receipt: delivery.receipt } as const
    await messages.updateOne({ _id: message.id, state: { $ne: 'delivered' } }, { $set: reached, ...ended })
    return
  }
  const lastError = delivery.reason.slice(0, maxErrorCharacters)
  const over = delivery.result === 'refused' || message.attempts >= message.allowed
  const pause = Math.max(pauseAfter(message.attempts - (message.allowed - maxAttempts)), retryAfterOf(delivery))
  const next = over ? ({ state: 'dead', lastError } as const) : { lastError, dueAt: now + pause }
  await messages.updateOne({ _id: message.id, lease, state: 'pending' }, { $set: next, ...ended })
}

const retryAfterOf = (delivery: Delivery): number => (delivery.result === 'retry' ? (delivery.retryAfterMs ?? 0) : 0)

async function counts(messages: Messages, release: string): Promise<Readonly<Record<MessageState, number>>> {
  const rows = await messages
    .aggregate<{ _id: MessageState; n: number }>([
      { $match: { release } },
      { $group: { _id: '$state', n: { $sum: 1 } } },
    ])
    .toArray()
  const count = (state: MessageState): number => rows.find(({ _id }) => _id === state)?.n ?? 0
  return {
    pending: count('pending'),
    delivered: count('delivered'),
    dead: count('dead'),
    cancelled: count('cancelled'),
  }
}

async function resend(
  messages: Messages,
  id: string,
  { by, now, session }: { by: string; now: number; session: ClientSession },
): Promise<OutboxMessage> {
  const found = await messages.findOneAndUpdate(
    { _id: id, state: 'dead' },
    [
      {
        $set: {
          state: 'pending',
          dueAt: now,
          resentBy: { $literal: by },
          allowed: { $add: ['$attempts', maxAttempts] },
        },
      },
    ],
    { returnDocument: 'after', session },
  )
  if (found) return toMessage(found)
  const message = await messages.findOne({ _id: id }, { session, projection: { state: 1 } })
  if (!message) throw new SluiceError('not_found', `The outbox has no message ${id}.`)
  throw new SluiceError('not_dead_letter', `The message ${id} is ${message.state}; only a dead letter is sent again.`)
}

function toMessage({ _id, lease: _lease, leaseUntil: _until, ...rest }: MessageDocument): OutboxMessage {
  return { id: _id, ...rest }
}
