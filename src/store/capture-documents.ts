import { createHash } from 'node:crypto'
import type { CollectionSpec } from './database'
import type { SealedText, WrappedKey } from './vault'

/** What a lane captures, and for how long. */
export interface CapturePolicy {
  readonly environment: string
  readonly task: string
  /** Share of the conversations, 0 (off) to 10000. */
  readonly basisPoints: number
  readonly retentionMs: number
  readonly by: string
  readonly reason: string
  /** Milliseconds since the epoch, by the store's clock. */
  readonly at: number
}

/** Whatever was done with captures and is not traffic; only ever added to. Ids of conversations are hashes. */
export type CaptureAct =
  | { readonly act: 'policy'; readonly environment: string; readonly task: string; readonly basisPoints: number }
  | { readonly act: 'read' | 'reproduce'; readonly requestId: string; readonly conversationId: string }
  | { readonly act: 'erase'; readonly conversationId: string }

export type CaptureAuditEntry = CaptureAct & {
  readonly id: string
  readonly by: string
  readonly reason: string
  readonly at: number
}

export interface PolicyDocument extends CapturePolicy {
  readonly _id: string
}

/** The key of one conversation; thrown away, its place stays, so that no late delivery makes a new one. */
export interface KeyDocument {
  readonly _id: string
  readonly wrapped?: WrappedKey
  /** Contents sealed with it, repeated deliveries counted. */
  readonly contents?: number
  readonly expiresAt?: Date
  readonly erased?: { readonly at: number; readonly by: string; readonly reason: string }
}

export interface ContentDocument extends SealedText {
  readonly _id: string
  readonly expiresAt: Date
}

/** Outlives the content, to tell one that expired from one that never was. */
export interface IndexDocument {
  readonly _id: string
  readonly environment: string
  readonly task: string
  readonly at: number
  readonly expiresAt: number
  readonly bytes: number
  readonly receivedAt: Date
}

/** What one application process could not hand over, as it last said. */
export interface CaptureReporterDocument {
  readonly _id: string
  readonly environment: string
  readonly dropped: number
  readonly refused: number
  readonly seenAt: Date
}

const daySeconds = 24 * 3_600
/** As long as the request log. */
const indexRetentionSeconds = 180 * daySeconds

export const captureCollections: readonly CollectionSpec[] = [
  { name: 'capturePolicies', indexes: [{ key: { environment: 1 } }] },
  { name: 'captureKeys', indexes: [{ key: { expiresAt: 1 }, expireAfterSeconds: 0 }] },
  { name: 'captureContents', indexes: [{ key: { expiresAt: 1 }, expireAfterSeconds: 0 }] },
  {
    name: 'captureIndex',
    indexes: [
      { key: { environment: 1, task: 1, expiresAt: 1 } },
      { key: { receivedAt: 1 }, expireAfterSeconds: indexRetentionSeconds },
    ],
  },
  {
    name: 'captureReporters',
    indexes: [{ key: { environment: 1 } }, { key: { seenAt: 1 }, expireAfterSeconds: daySeconds }],
  },
  { name: 'captureAudit' },
]

/** NUL cannot occur in ids, so no two conversations share a text. */
export const conversationIdOf = (tenant: string, conversation: string): string =>
  createHash('sha256').update(`${tenant}\0${conversation}`).digest('hex')

/** Within its conversation, so that nobody takes the place of another conversation's request. */
export const contentId = (conversationId: string, requestId: string): string => `${conversationId}/${requestId}`
