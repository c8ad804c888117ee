import type { ServedComposite } from '../domain/composite'
import {
  isShadowed,
  type ShadowAnswer,
  type ShadowAnswerOfServer,
  type ShadowPair,
  type ShadowView,
  shadowBounds,
} from '../domain/shadow'
import { observedOutputs } from '../domain/telemetry-outputs'
import type { PromptValue } from '../kinds/prompt-render'
import type { Http } from './http'
import { unitHash } from './recorder'
import type { Report } from './report'
import type { RunOptions } from './run-result'
import type { Serving } from './serving'

/** Bounds of one process: copies that are answered at once, that wait for that, and pairs that wait to be told. */
export const shadowQueueBounds = { together: 4, waiting: 32, pairs: 1_000 } as const

/** An answer that takes longer counts as an error, as it would for a user. */
const answerTimeoutMs = 60_000
const sendTimeoutMs = 10_000
const maxBatchesPerRound = 8

/** What was served, as `run` reported it. */
export interface ServedRun {
  readonly serving: Serving
  readonly values: Readonly<Record<string, PromptValue>>
  readonly options: RunOptions
  readonly report: Report
  readonly output?: unknown
}

export interface ShadowQueueParts {
  readonly http: Http
  readonly environment: string
  readonly reporter: string
  /** What is wanted of the task now; asked at every request. */
  shadowOf(task: string): ShadowView | undefined
  compositeOf(id: string): ServedComposite | undefined
  /** By the server's clock. */
  now(): number
  /** Answers by the candidate and reports to nobody but here. */
  answer(
    served: ServedRun,
    candidate: Serving,
    signal: AbortSignal,
  ): Promise<{ readonly report: Report; readonly output?: unknown }>
}

/**
 * Copies of served requests, answered by the candidate of a shadow after the application has its own answer. Nothing here
 * delays, throws or is seen: what finds no room is left out, and counted.
 */
export class ShadowQueue {
  private readonly parts: ShadowQueueParts
  private readonly ending = new AbortController()
  private readonly waiting: { readonly served: ServedRun; readonly shadow: ShadowView }[] = []
  private running = 0
  private pairs: ShadowPair[] = []
  private lost = 0
  private heldUntil = Number.NEGATIVE_INFINITY

  constructor(parts: ShadowQueueParts) {
    this.parts = parts
  }

  /** Copies that were wanted and found no room, no money or no end. */
  get dropped(): number {
    return this.lost
  }

  get pending(): boolean {
    return this.pairs.length > 0
  }

  /** Called when the served answer is there; returns at once. */
  offer(served: ServedRun): void {
    const shadow = this.wanted(served)
    if (shadow === undefined) return
    if (this.waiting.length >= shadowQueueBounds.waiting || performance.now() < this.heldUntil) {
      this.lost += 1
      return
    }
    // A copy: the application may change its values before the candidate is asked.
    const values = { ...served.values }
    this.waiting.push({ served: { ...served, values, options: { ...served.options } }, shadow })
    // After whoever waits for the served answer has gone on with it.
    setImmediate(() => void this.work()).unref()
  }

  /** Tells the pairs. What the server does not take for now is kept for the next round, within the bound. */
  async send(): Promise<void> {
    for (let round = 0; round < maxBatchesPerRound && this.pairs.length > 0; round += 1) {
      const batch = this.pairs.splice(0, shadowBounds.batch)
      const { environment, reporter, http } = this.parts
      try {
        const signal = AbortSignal.timeout(sendTimeoutMs)
        const response = await http.call('/v1/shadow', { body: { reporter, environment, pairs: batch }, signal })
        const { holdMs } = (await response.json()) as ShadowAnswerOfServer
        if (holdMs > 0) this.heldUntil = performance.now() + holdMs
      } catch (error) {
        if ((error as { retryable?: boolean }).retryable) this.pairs = [...batch, ...this.pairs]
        else this.lost += batch.length
        return
      }
    }
  }

  /** Gives up what is under way: an application that ends waits for no copy. */
  close(): void {
    this.ending.abort()
    this.lost += this.waiting.splice(0).length
  }

  /** Counts what could not be told when the application ends. */
  giveUp(): void {
    this.lost += this.pairs.splice(0).length
  }

  /** Only the first round of a request, served by the composite that the candidate is compared with. */
  private wanted({ serving, options, report }: ServedRun): ShadowView | undefined {
    const shadow = this.parts.shadowOf(serving.task)
    if (shadow === undefined || this.ending.signal.aborted || report.outcome === 'filtered') return undefined
    if (serving.composite.id !== shadow.incumbent || (options.turns?.length ?? 0) > 0) return undefined
    if (this.parts.now() >= shadow.until || !isShadowed(shadow, serving.tenant, serving.conversation)) return undefined
    return shadow
  }

  private async work(): Promise<void> {
    if (this.running >= shadowQueueBounds.together) return
    this.running += 1
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        await this.copy(next.served, next.shadow)
      }
    } finally {
      this.running -= 1
    }
  }

  private async copy(served: ServedRun, shadow: ShadowView): Promise<void> {
    const { serving } = served
    const composite = this.parts.compositeOf(shadow.candidate)
    const isOpen = this.parts.shadowOf(serving.task)?.releaseId === shadow.releaseId
    if (composite === undefined || !isOpen || this.pairs.length >= shadowQueueBounds.pairs) {
      this.lost += 1
      return
    }
    const signal = AbortSignal.any([AbortSignal.timeout(answerTimeoutMs), this.ending.signal])
    const answer = await this.parts.answer(served, serving.withComposite(composite), signal)
    if (this.ending.signal.aborted || answer.report.outcome === 'filtered') {
      this.lost += 1
      return
    }
    this.pairs.push(this.pairOf(served, shadow, answer))
  }

  private pairOf(
    { serving, report, output }: ServedRun,
    { releaseId, outputs = [] }: ShadowView,
    candidate: { readonly report: Report; readonly output?: unknown },
  ): ShadowPair {
    const { task, tenant, conversation } = serving
    const seen = observedOutputs(outputs, report.outcome === 'ok' ? output : undefined)
    const own = observedOutputs(outputs, candidate.report.outcome === 'ok' ? candidate.output : undefined)
    const couples = own.map((value, index) => {
      const other = seen[index]
      return value && other ? ([value, other] as const) : null
    })
    return {
      releaseId,
      task,
      requestId: report.requestId ?? '',
      tenant,
      unit: unitHash(tenant, conversation),
      at: Math.round(this.parts.now()),
      candidate: answerOf(candidate.report),
      incumbent: answerOf(report),
      ...(couples.some((couple) => couple !== null) ? { outputs: couples } : {}),
    }
  }
}

const answerOf = ({ outcome, latencyMs, costUsd = 0, uncachedCostUsd = costUsd }: Report): ShadowAnswer => ({
  outcome: outcome === 'filtered' ? 'error' : outcome,
  latencyMs,
  costUsd,
  uncachedCostUsd,
})
