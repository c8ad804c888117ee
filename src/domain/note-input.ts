import type { Change, ChangeClass } from './version'

/** `retraction`: the change that a note announced was taken back. */
export const noteKinds = ['release', 'retraction'] as const
export type NoteKind = (typeof noteKinds)[number]

export const noteFormats = ['md', 'html', 'json'] as const
export type NoteFormat = (typeof noteFormats)[number]

/** How a release meets one tenant. */
export type Audience =
  /** Gets the change. */
  | { readonly kind: 'affected' }
  /** Gets it, and got it before the others. */
  | { readonly kind: 'pilot' }
  /** Keeps what it opted to stay with. */
  | { readonly kind: 'opted_out' }
  /** Keeps its own version; `drift` says how far the base moved since it was made. */
  | { readonly kind: 'overridden'; readonly drift: readonly Drift[] }

/** One role of an override: the tenant's own version, the base it was made from, and what the base is now. */
export interface Drift {
  readonly role: string
  readonly own: string
  readonly base: string
  readonly now: string
}

/** One role of a tenant's own version in which it still holds what a rollback took back. */
export interface Held {
  readonly role: string
  readonly own: string
}

/** One role that moved, as the plan has it; references are labels for people. */
export interface NoteChange {
  readonly role: string
  readonly from?: string
  readonly to: string
  readonly changes: readonly Change[]
}

/** `share` is 0..1 and shown in percent; its shift is told in percentage points. */
export type ShiftUnit = 'share' | 'score' | 'usd' | 'tokens' | 'ms'

/** A metric of the test stage or of live traffic on both arms; `before` is absent where there was no incumbent. */
export interface Shift {
  readonly name: string
  readonly before?: number
  readonly after: number
  readonly unit: ShiftUnit
}

/** Everything that a note to one tenant is made of. Its strings come from people and are hostile. */
export interface NoteInput {
  readonly kind: NoteKind
  readonly release: { readonly id: string; readonly task: string; readonly why: string; readonly expect?: string }
  readonly change: readonly NoteChange[]
  readonly changeClass: ChangeClass
  readonly shifts: readonly Shift[]
  readonly audience: Audience
  readonly tenant: { readonly id: string; readonly locale?: string }
  /** Of a retraction. */
  readonly rollbackReason?: string
  /** Of a retraction, to a tenant whose own version a rollback cannot reach; absent: it holds nothing of the change. */
  readonly held?: readonly Held[]
}

/** A note for programs. Texts are as they were given; who shows them escapes them. */
export interface NoteDocument extends Omit<NoteInput, 'change'> {
  readonly specVersion: 1
  readonly subject: string
  readonly change: readonly (Omit<NoteChange, 'changes'> & {
    readonly changes: readonly Pick<Change, 'path' | 'change' | 'text'>[]
  })[]
  /** What the tenant should do, in order; empty: nothing. */
  readonly actions: readonly string[]
}

export interface RenderedNote {
  /** One line. */
  readonly subject: string
  readonly markdown: string
  readonly html: string
  readonly data: NoteDocument
}
