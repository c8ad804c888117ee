import { setTimeout as pause } from 'node:timers/promises'
import type { TelemetryAnswer, TelemetryBatch } from '../domain/telemetry'
import { SluiceError } from '../errors'
import type { CaptureQueue } from './capture-queue'
import type { Http } from './http'
import type { Recorder } from './recorder'
import type { ShadowQueue } from './shadow-queue'

const sendTimeoutMs = 10_000
/** Also without traffic: "this process lives and serves by these entries". */
const heartbeatMs = 10_000
/** A change reaches all applications at once; what they tell of it must not reach the server at once. */
const headsWithinMs = 5_000
/** Well below the minute after which an application that does not report counts as silent. */
const backoffMs = { first: 500, most: 10_000 }
const maxBatchesPerFlush = 200
/** Who could not deliver for longer says so: else minutes of traffic count as one moment's. */
const promptMs = 2 * heartbeatMs
const smallestShare = 1 / 1_024

export interface ReporterParts {
  readonly http: Http
  readonly recorder: Recorder
  readonly captures: CaptureQueue
  readonly shadows: ShadowQueue
  readonly environment: string
  readonly flushIntervalMs: number
  heads(): Readonly<Record<string, number>>
  failed(error: SluiceError): void
}

/** Sends what the recorder holds, at least once, one batch at a time, and again after a failure. */
export class Reporter {
  private readonly id: string
  private readonly parts: ReporterParts
  private readonly ending = new AbortController()
  private flushing: Promise<void> | undefined
  private handingOver: Promise<void> | undefined
  private loop: Promise<void> = Promise.resolve()
  private sentAt = Number.NEGATIVE_INFINITY
  /** All that happened before is delivered. */
  private deliveredTo = performance.now()
  private sentHeads = ''
  /** When the server is to learn of the heads at the latest; absent: it knows them. */
  private headsDueAt: number | undefined
  private share = 1
  private failing = false

  /** `id` is unique per process. */
  constructor(id: string, parts: ReporterParts) {
    this.id = id
    this.parts = parts
  }

  start(): void {
    this.loop = this.run()
  }

  /** Sends all there is. Rejects where the server did not take it; it is kept and sent again. */
  async flush(): Promise<void> {
    await this.flushing?.catch(() => undefined)
    await this.flushOnce()
    // What is under way may have begun before the newest contents were there.
    await this.handingOver
    await this.handOver()
  }

  async close(): Promise<void> {
    this.ending.abort()
    await this.loop
    await this.flushLast()
    await this.handingOver
    this.parts.captures.giveUp()
    this.parts.shadows.giveUp()
  }

  /** Sends what is left. Never rejects: what the server does not take is lost with the process, and told. */
  async flushLast(): Promise<void> {
    await this.flush().catch((error) => this.parts.failed(asError(error)))
  }

  private async run(): Promise<void> {
    const { signal } = this.ending
    let wait = this.parts.flushIntervalMs
    while (!signal.aborted) {
      await pause(wait, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      try {
        this.parts.recorder.forgetIdle()
        if (this.due()) await this.flushOnce()
        wait = this.parts.flushIntervalMs
        this.failing = false
      } catch (error) {
        wait = pauseAfter(error, wait)
        // The first failure of a row is told; the others are the same.
        if (!this.failing) this.parts.failed(asError(error))
        this.failing = true
      }
    }
  }

  private due(): boolean {
    const { recorder, captures, shadows } = this.parts
    const now = performance.now()
    const isToHandOver = this.handingOver === undefined && (captures.pending || shadows.pending)
    if (recorder.pending || isToHandOver || now - this.sentAt >= heartbeatMs) return true
    if (JSON.stringify(this.parts.heads()) === this.sentHeads) this.headsDueAt = undefined
    else this.headsDueAt ??= now + Math.random() * headsWithinMs
    return this.headsDueAt !== undefined && this.headsDueAt <= now
  }

  private flushOnce(): Promise<void> {
    this.flushing ??= this.drain()
    return this.flushing
  }

  private async drain(): Promise<void> {
    try {
      for (let batch = 0; batch < maxBatchesPerFlush; batch++) {
        await this.sendOne()
        // In every round: under steady traffic there is always one more batch of reports.
        void this.handOver()
        if (!this.parts.recorder.pending) break
      }
    } finally {
      this.flushing = undefined
    }
  }

  /** Contents and pairs go beside the reports, which wait for neither; one delivery at a time. Never rejects. */
  private handOver(): Promise<void> {
    const { captures, shadows } = this.parts
    this.handingOver ??= captures
      .send()
      .then(() => shadows.send())
      .finally(() => {
        this.handingOver = undefined
      })
    return this.handingOver
  }

  private async sendOne(): Promise<void> {
    const { recorder, environment, http } = this.parts
    const takenAt = performance.now()
    const taken = recorder.take(this.share)
    const isAll = !recorder.pending
    const coversMs = takenAt - this.deliveredTo
    const appliedHeads = this.parts.heads()
    const body: TelemetryBatch = {
      reporter: this.id,
      environment,
      appliedHeads,
      ...(taken?.content ?? { strata: [], requests: [], late: [], lateOutcomes: [] }),
      dropped: recorder.dropped,
      ...(coversMs < promptMs ? {} : { coversMs }),
    }
    try {
      const response = await http.call('/v1/telemetry', { body, signal: AbortSignal.timeout(sendTimeoutMs) })
      const answer = (await response.json()) as TelemetryAnswer
      taken?.acknowledged()
      if (isAll) this.deliveredTo = takenAt
      this.sentAt = performance.now()
      this.sentHeads = JSON.stringify(appliedHeads)
      this.headsDueAt = undefined
      this.share = Math.min(1, this.share * 2)
      if (answer.refusedCount > 0) {
        recorder.countRefused(answer.refusedCount)
        this.parts.failed(refusedError(answer))
      }
    } catch (error) {
      const failure = asError(error)
      if (failure.code === 'payload_too_large' && this.share > smallestShare) {
        this.share /= 2
        taken?.returned()
        return
      }
      if (!isWorthAnotherTry(failure)) {
        taken?.refused()
        this.parts.failed(failure)
        return
      }
      taken?.returned()
      throw failure
    }
  }
}

/** Keys can be mended while the process runs; what the server calls malformed stays malformed. */
const isWorthAnotherTry = (error: SluiceError): boolean =>
  error.retryable || error.code === 'unauthenticated' || error.code === 'forbidden'

function pauseAfter(error: unknown, before: number): number {
  const seconds = error instanceof SluiceError ? Number(error.details.retryAfter) : Number.NaN
  if (seconds >= 0) return Math.min(seconds * 1_000, backoffMs.most)
  const next = Math.min(Math.max(before * 2, backoffMs.first), backoffMs.most)
  return next * (0.75 + Math.random() / 4)
}

const asError = (error: unknown): SluiceError =>
  error instanceof SluiceError ? error : new SluiceError('api_unreachable', (error as Error).message)

const refusedError = ({ refusedCount, refused }: TelemetryAnswer): SluiceError =>
  new SluiceError('invalid_telemetry', `The server refused ${refusedCount} records: ${refused[0]?.message ?? ''}`, {
    refused,
  })
