import { bucketOf } from './bucket'

/** What of a lane's requests is kept with inputs and outputs. Nothing is, unless somebody asked for it. */
export interface CaptureShare {
  /** Share of the conversations, 1..10000. */
  readonly basisPoints: number
}

/** Inputs and output of one served request, as the application hands them over. */
export interface CapturedContent {
  readonly requestId: string
  readonly task: string
  readonly tenant: string
  readonly conversation: string
  /** The values that the prompt was rendered with. */
  readonly input?: Readonly<Record<string, string | number | boolean>>
  readonly output?: unknown
}

/** Bounds of what is captured. What is larger is not cut but left out, and counted. */
export const captureBounds = {
  /** UTF-8 bytes of one request's content as JSON. */
  contentBytes: 256 * 1024,
  /** Of one delivery. */
  batchBytes: 1024 * 1024,
  batchContents: 100,
} as const

/** A salt of its own: who is captured has nothing to do with who gets a candidate. */
const captureSalt = 'capture'

/** Whole conversations are sampled, the same ones by every process. */
export const isSampled = (share: CaptureShare | undefined, tenant: string, conversation: string): boolean =>
  share !== undefined && bucketOf(captureSalt, tenant, conversation) < share.basisPoints

/** What became of the captured content of one request. */
export type CaptureState =
  | { readonly state: 'kept'; readonly at: number; readonly expiresAt: number; readonly bytes: number }
  | { readonly state: 'expired'; readonly at: number; readonly expiresAt: number }
  | { readonly state: 'erased'; readonly at: number; readonly by: string; readonly reason: string }
  /** Capture was off, the conversation was not sampled, or the application had to drop it. */
  | { readonly state: 'none' }
