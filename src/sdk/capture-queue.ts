import { type CapturedContent, type CaptureShare, captureBounds, isSampled } from '../domain/capture'
import type { SluiceError } from '../errors'
import type { Http } from './http'
import type { Serving } from './serving'

/** Bounds of what one process keeps until it is handed over. At a bound the new content is dropped, and counted. */
export const captureQueueBounds = { contents: 1_000, bytes: 8 * 1024 * 1024 } as const

const sendTimeoutMs = 10_000
const maxBatchesPerRound = 8

interface Held {
  readonly content: CapturedContent
  readonly bytes: number
}

/** What was served, as `run` and `report` know it. */
export interface ServedContent {
  readonly input?: CapturedContent['input'] | undefined
  readonly output?: unknown
}

export interface CaptureQueueParts {
  readonly http: Http
  readonly environment: string
  readonly reporter: string
}

/**
 * Inputs and outputs on their way to the server, where the snapshot asks for them. Nothing here throws, waits or holds up
 * a report: what does not fit, or is not taken, is dropped and counted.
 */
export class CaptureQueue {
  private held: Held[] = []
  private bytes = 0
  private lost = 0
  private told = 0
  /** Contents of a delivery; fewer while something on the way to the server finds them too large. */
  private most: number = captureBounds.batchContents
  private readonly parts: CaptureQueueParts

  constructor(parts: CaptureQueueParts) {
    this.parts = parts
  }

  /** Contents that were asked for and could not be kept or handed over. */
  get dropped(): number {
    return this.lost
  }

  /** Whether there is something to hand over or to tell. */
  get pending(): boolean {
    return this.held.length > 0 || this.lost !== this.told
  }

  /** `share`: what the task's lane asks for. */
  add(share: CaptureShare | undefined, serving: Serving, requestId: string, { input, output }: ServedContent): void {
    const { task, tenant, conversation } = serving
    if (!isSampled(share, tenant, conversation)) return
    if (input === undefined && output === undefined) return
    try {
      const text = fits(input) ? JSON.stringify({ input, output }) : undefined
      const bytes = text === undefined ? Number.POSITIVE_INFINITY : Buffer.byteLength(text)
      const isRoom = this.held.length < captureQueueBounds.contents && this.bytes + bytes <= captureQueueBounds.bytes
      if (text === undefined || bytes > captureBounds.contentBytes || !isRoom) {
        this.lost += 1
        return
      }
      // A copy: the application may change its values before they are sent.
      this.held.push({ content: { requestId, task, tenant, conversation, ...JSON.parse(text) }, bytes })
      this.bytes += bytes
    } catch {
      // Cycles and big integers cannot be kept.
      this.lost += 1
    }
  }

  /** Hands over what there is, after the reports. What the server does not take for now is kept for the next round. */
  async send(): Promise<void> {
    for (let round = 0; round < maxBatchesPerRound && this.pending; round += 1) {
      const batch = this.take()
      const { environment, reporter, http } = this.parts
      const dropped = this.lost
      const body = { reporter, environment, dropped, captures: batch.map(({ content }) => content) }
      try {
        const signal = AbortSignal.timeout(sendTimeoutMs)
        await (await http.call('/v1/captures', { body, signal })).arrayBuffer()
        this.told = dropped
        this.most = Math.min(captureBounds.batchContents, this.most * 2)
      } catch (error) {
        const { code, retryable } = error as SluiceError
        const isHalved = code === 'payload_too_large' && batch.length > 1
        if (isHalved || retryable) this.putBack(batch)
        else this.lost += batch.length
        if (code !== 'payload_too_large' || batch.length === 0) return
        this.most = Math.max(1, Math.floor(batch.length / 2))
      }
    }
  }

  /** Counts what is left over when the application ends. */
  giveUp(): void {
    this.lost += this.held.splice(0).length
    this.bytes = 0
  }

  private take(): readonly Held[] {
    let size = 0
    let count = 0
    for (const { bytes } of this.held) {
      if (count >= this.most || (count > 0 && size + bytes > captureBounds.batchBytes)) break
      size += bytes
      count += 1
    }
    this.bytes -= size
    return this.held.splice(0, count)
  }

  private putBack(batch: readonly Held[]): void {
    this.held = [...batch, ...this.held]
    this.bytes += batch.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

/** Looked at before anything is serialised: a transcript of megabytes must not cost the request its time. */
function fits(input: ServedContent['input']): boolean {
  let size = 0
  for (const value of Object.values(input ?? {})) {
    if (typeof value === 'string') size += value.length
    if (size > captureBounds.contentBytes) return false
  }
  return true
}
