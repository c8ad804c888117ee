import type { NoteInput, NoteKind } from '../src/domain/note-input'
import { renderNote } from '../src/domain/notes'
import { channels } from '../src/notify'
import type { Delivery } from '../src/notify/channel'
import type { Claim, Enqueued, MessageDraft, Outbox } from '../src/store/outbox'
import type { Store } from '../src/store/store'

/** What the notes of a release are made of, tenant by tenant; read again on every attempt of the activity. */
export interface NoteSource {
  noteInputs(releaseId: string, kind: NoteKind): AsyncIterable<AddressedNote>
}

/** `channels`: where the note goes; absent: every enabled channel that reaches the tenant. */
export type AddressedNote = NoteInput & { readonly channels?: readonly string[] }

export interface DispatchDeps {
  readonly store: Pick<Store, 'database' | 'outbox'>
  /** The folder that channels may write files into. Absolute. */
  readonly notesFolder: string
  /** The clock of dispatch, milliseconds since the epoch; absent: the store's. */
  readonly now?: () => Promise<number>
}

export interface CommunicateDeps extends DispatchDeps {
  readonly source: NoteSource
}

export interface CommunicateActivities {
  /** Writes the notes of a release, or of its rollback, into the outbox. Idempotent by message id. */
  enqueueNotes(input: { readonly releaseId: string; readonly kind: NoteKind }): Promise<Enqueued>
  /**
   * Sends what is due of one release. `pending` is left to the server's dispatcher; `failed` are dead letters, and what
   * was tried in vain for a while: the dispatcher goes on with it, but a receiver that is down holds up no release.
   */
  deliverNotes(input: { readonly releaseId: string }): Promise<DeliveryCounts>
}

export interface DeliveryCounts {
  readonly delivered: number
  readonly failed: number
  readonly pending: number
}

export interface Dispatched {
  readonly delivered: number
  /** Failed this time, to be tried again. */
  readonly retried: number
  readonly refused: number
}

export interface DispatchLimits {
  /** Most attempts of one call. */
  readonly limit: number
  readonly release?: string
  /** No attempt begins after this long. */
  readonly budgetMs?: number
}

const enqueueBatch = 50
const senders = 8
const deliverLimit = 1_000
/** How long a release waits for a note that was tried in vain. */
const patienceMs = 60_000
/** With the longest attempt of a channel still within the time-out of the activity. */
const deliverBudgetMs = 15_000

export function createCommunicateActivities(deps: CommunicateDeps): CommunicateActivities {
  const { outbox } = deps.store
  return {
    async enqueueNotes({ releaseId, kind }) {
      // An attempt to write the notes that was given up may come late: first it finds every place taken, then all that
      // it wrote until then is retracted.
      if (kind === 'retraction') {
        for await (const drafts of draftBatches(deps, releaseId, 'release')) {
          await outbox.keepOut(drafts, await clock(deps))
        }
      }
      let total: Enqueued = { enqueued: 0, cancelled: 0 }
      for await (const drafts of draftBatches(deps, releaseId, kind)) {
        const done = await outbox.enqueue(drafts, await clock(deps))
        total = { enqueued: total.enqueued + done.enqueued, cancelled: total.cancelled + done.cancelled }
      }
      return total
    },
    async deliverNotes({ releaseId }) {
      await dispatchOutbox(deps, { limit: deliverLimit, release: releaseId, budgetMs: deliverBudgetMs })
      const delayed = await outbox.delayed(releaseId, (await clock(deps)) - patienceMs)
      const { delivered, dead, pending } = await outbox.counts(releaseId)
      return { delivered, failed: dead + delayed, pending: Math.max(0, pending - delayed) }
    },
  }
}

async function* draftBatches(
  { source, store }: CommunicateDeps,
  releaseId: string,
  kind: NoteKind,
): AsyncGenerator<readonly MessageDraft[]> {
  let batch: MessageDraft[] = []
  for await (const input of source.noteInputs(releaseId, kind)) {
    batch.push(...(await draftsOf(store.outbox, input)))
    if (batch.length < enqueueBatch) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function draftsOf(outbox: Outbox, { channels, ...input }: AddressedNote): Promise<MessageDraft[]> {
  const note = renderNote(input)
  const names = channels ?? (await outbox.channels.namesFor(input.tenant.id))
  const about = { release: input.release.id, kind: input.kind, tenant: input.tenant.id }
  return names.map((channel) => ({ ...note, ...about, channel }))
}

/** Sends what is due, at most `limit` attempts, several at a time. Any number of processes may do so at once. */
export async function dispatchOutbox(deps: DispatchDeps, limits: DispatchLimits): Promise<Dispatched> {
  const begun = performance.now()
  await deps.store.outbox.buryExhausted(await clock(deps))
  const results: Delivery['result'][] = []
  let left = limits.limit
  const sendSome = async () => {
    while (left > 0 && performance.now() - begun < (limits.budgetMs ?? Number.POSITIVE_INFINITY)) {
      left -= 1
      const claim = await deps.store.outbox.claim(await clock(deps), limits.release)
      if (!claim) return
      results.push(await attempt(deps, claim))
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: senders }, sendSome))
  for (const sender of ended) if (sender.status === 'rejected') throw sender.reason
  const count = (result: Delivery['result']): number => results.filter((one) => one === result).length
  return { delivered: count('delivered'), retried: count('retry'), refused: count('refused') }
}

async function attempt(deps: DispatchDeps, claim: Claim): Promise<Delivery['result']> {
  const { outbox } = deps.store
  const delivery = await send(deps, claim)
  await outbox.settle(claim, delivery, await clock(deps))
  return delivery.result
}

async function send(deps: DispatchDeps, { message }: Claim): Promise<Delivery> {
  const setting = await deps.store.outbox.channels.find(message.channel)
  if (!setting?.enabled) return { result: 'refused', reason: `no channel ${message.channel} is set up and enabled` }
  if (setting.tenant !== undefined && setting.tenant !== message.tenant) {
    return { result: 'refused', reason: `the channel ${message.channel} reaches another tenant only` }
  }
  const context = { now: await clock(deps), folder: deps.notesFolder }
  return channels[setting.type].send(message, setting.options, context)
}

const clock = ({ now, store }: DispatchDeps): Promise<number> => (now ? now() : store.database.now())
