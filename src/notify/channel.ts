import type { z } from 'zod'
import type { NoteDocument, NoteKind } from '../domain/note-input'

/** What is sent. `id` is the same on every attempt, so that a receiver can tell a repetition from a second message. */
export interface Message {
  /** `<release>/<kind>/<tenant>/<channel>`. */
  readonly id: string
  readonly release: string
  readonly tenant: string
  readonly kind: NoteKind
  /** Milliseconds since the epoch: when it was written into the outbox. */
  readonly enqueuedAt: number
  readonly subject: string
  readonly markdown: string
  readonly html: string
  readonly data: NoteDocument
}

export type Delivery =
  /** The receiver has it; `receipt` says how we know. */
  | { readonly result: 'delivered'; readonly receipt: string }
  /** It may work later; not before `retryAfterMs`, where the receiver said so. */
  | { readonly result: 'retry'; readonly reason: string; readonly retryAfterMs?: number }
  /** It will not work however often it is tried. */
  | { readonly result: 'refused'; readonly reason: string }

export interface SendContext {
  /** Milliseconds since the epoch, by the store's clock. */
  readonly now: number
  /** The folder that channels may write files into. Absolute. */
  readonly folder: string
}

interface ChannelBase {
  readonly name: string
  /** Options that are never shown again after they were set. */
  readonly secrets: readonly string[]
  /** Fresh values for options that a new channel was not given. */
  defaults(): Readonly<Record<string, unknown>>
}

/**
 * One way of reaching a reader. `send` may be called again with the same message after a crash or a lost answer; a
 * second call must not tell the reader twice, or must carry the message's id so that the reader can tell.
 * It answers with a `Delivery` for every fault of the receiver and throws only where the program itself is wrong.
 */
export interface ChannelSpec<Options> extends ChannelBase {
  readonly options: z.ZodType<Options>
  send(message: Message, options: Options, context: SendContext): Promise<Delivery>
}

/** A channel as the registry holds it: options that do not fit refuse the message. */
export interface Channel extends ChannelBase {
  readonly options: z.ZodType
  send(message: Message, options: unknown, context: SendContext): Promise<Delivery>
}

export function defineChannel<Options>(spec: ChannelSpec<Options>): Channel {
  return {
    ...spec,
    async send(message, options, context) {
      const parsed = spec.options.safeParse(options)
      if (parsed.success) return spec.send(message, parsed.data, context)
      return { result: 'refused', reason: `the options of the channel do not fit: ${parsed.error.message}` }
    },
  }
}
