import type { PromptMessage, SuiteCase } from '../domain/contents'
import { maxErrorShare } from '../domain/evaluation-gate'
import { worstCostUsd } from '../domain/pricing'
import type { Digest } from '../domain/version'
import { callEngine, endpointOf } from '../engines'
import type { Endpoints } from '../engines/engine'
import { SluiceError } from '../errors'
import { digestOf } from './canonical'
import { type Callable, type LoadedSuite, messagesOf } from './evaluation-plan'
import type { EvaluationProgress } from './evaluations'
import type { RawResult, ResultKey, ResultStore } from './evidence-results'

export interface CallsInput {
  readonly evaluationId: string
  readonly suite: LoadedSuite
  /** Candidate first; the incumbent where there is one. */
  readonly arms: readonly Callable[]
  readonly endpoints: Endpoints
  readonly budgetUsd: number
  readonly concurrency: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: EvaluationProgress) => void
}

export interface CallsOutcome {
  readonly calls: number
  /** Why not everything was run. */
  readonly stopped?: string
  /** Composite → keys of the cases that the engine gave no answer to. */
  readonly failed: ReadonlyMap<Digest, ReadonlySet<string>>
}

interface Job {
  readonly arm: Callable
  readonly one: SuiteCase
  readonly repeat: number
}

/** Failed calls of one arm that never stop a run by themselves. */
const toleratedErrors = 5

export const jobKey = (caseId: string, repeat: number): string => `${repeat}/${caseId}`

/** Candidate and incumbent of a case run next to each other, so that they meet the provider in the same mood. */
function jobsOf({ suite, arms }: CallsInput, have: ReadonlyMap<Digest, ReadonlySet<string>>): readonly Job[] {
  const jobs: Job[] = []
  for (let repeat = 0; repeat < suite.content.repeats; repeat += 1) {
    for (const one of suite.cases) {
      for (const arm of arms) {
        if (!have.get(arm.composite)?.has(jobKey(one.id, repeat))) jobs.push({ arm, one, repeat })
      }
    }
  }
  return jobs
}

/** Runs whatever has no stored result yet, within the budget. Throws the signal's reason when aborted. */
export async function runCalls(results: ResultStore, input: CallsInput): Promise<CallsOutcome> {
  const have = new Map<Digest, Set<string>>()
  for (const arm of input.arms) have.set(arm.composite, await storedOf(results, input, arm))
  const run = new CallRun(results, input, jobsOf(input, have), await results.spentUsd(input.evaluationId))
  await run.all()
  return run.outcome()
}

const seedOf = (arm: Callable, repeat: number): number => (arm.engine.seed ?? 0) + repeat

/** Keys that have a result already: of this suite, or taken over from another suite that made the same call. */
async function storedOf(results: ResultStore, input: CallsInput, arm: Callable): Promise<Set<string>> {
  const { composite } = arm
  const { digest: suite, content, cases } = input.suite
  const stored = await results.all({ composite, suite })
  const have = new Set(stored.map(({ caseId, repeat }) => jobKey(caseId, repeat)))
  const missing = cases.length * content.repeats - have.size
  const others = missing > 0 ? await results.byCall(composite) : new Map<Digest, RawResult>()
  if (others.size === 0) return have
  for (let repeat = 0; repeat < content.repeats; repeat += 1) {
    for (const one of cases) {
      const key = jobKey(one.id, repeat)
      const call = callDigest(messagesOf(arm.prompt, content, one.input), seedOf(arm, repeat))
      const other = others.get(call)
      if (!other || have.has(key)) continue
      await results.adopt({ composite, suite, caseId: one.id, repeat }, other)
      have.add(key)
    }
  }
  return have
}

const callDigest = (messages: readonly PromptMessage[], seed: number): Digest => digestOf({ messages, seed })

class CallRun {
  private next = 0
  private done = 0
  private calls = 0
  private stopped: string | undefined
  /** What the calls in flight may cost at most. */
  private reservedUsd = 0
  private readonly failed = new Map<Digest, Set<string>>()
  private readonly results: ResultStore
  private readonly input: CallsInput
  private readonly jobs: readonly Job[]
  private spentUsd: number

  constructor(results: ResultStore, input: CallsInput, jobs: readonly Job[], spentUsd: number) {
    this.results = results
    this.input = input
    this.jobs = jobs
    this.spentUsd = spentUsd
  }

  async all(): Promise<void> {
    this.progress()
    const faults: unknown[] = []
    const lane = async (): Promise<void> => {
      for (let job = this.take(); job !== undefined; job = this.take()) await this.run(job)
    }
    const lanes = Array.from({ length: Math.max(1, this.input.concurrency) }, () =>
      lane().catch((fault: unknown) => {
        faults.push(fault)
        this.next = this.jobs.length
      }),
    )
    await Promise.all(lanes)
    this.input.signal?.throwIfAborted()
    if (faults.length > 0) throw faults[0]
  }

  outcome(): CallsOutcome {
    const { calls, stopped, failed } = this
    return { calls, failed, ...(stopped === undefined ? {} : { stopped }) }
  }

  private take(): Job | undefined {
    if (this.stopped !== undefined || this.input.signal?.aborted) return undefined
    const job = this.jobs[this.next]
    this.next += 1
    return job
  }

  private async run({ arm, one, repeat }: Job): Promise<void> {
    const messages = messagesOf(arm.prompt, this.input.suite.content, one.input)
    const worst = worstCostUsd(
      arm.engine,
      messages.reduce((sum, { content }) => sum + content.length, 0),
    )
    if (this.spentUsd + this.reservedUsd + worst > this.input.budgetUsd) {
      this.stopped ??= `the budget of $${this.input.budgetUsd} is used up`
      return
    }
    this.reservedUsd += worst
    try {
      await this.call({ arm, one, repeat }, messages)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'engine_failed') throw error
      this.countFailure(arm.composite, jobKey(one.id, repeat), error)
    } finally {
      this.reservedUsd -= worst
    }
    this.done += 1
    this.progress()
  }

  private async call({ arm, one, repeat }: Job, messages: readonly PromptMessage[]): Promise<void> {
    const { evaluationId, suite, endpoints, signal } = this.input
    const key: ResultKey = { composite: arm.composite, suite: suite.digest, caseId: one.id, repeat }
    const endpoint = endpointOf(endpoints, arm.engine.endpoint)
    await this.results.begin(key)
    this.calls += 1
    const seed = seedOf(arm, repeat)
    const answer = await callEngine({ engine: arm.engine, endpoint, messages, seed, ...(signal ? { signal } : {}) })
    this.spentUsd += answer.costUsd
    const { attempts: _attempts, ...measured } = answer
    const call = callDigest(messages, seed)
    await this.results.put(key, { ...measured, seed, call, measuredAt: Date.now(), evaluationId })
  }

  private countFailure(composite: Digest, key: string, error: SluiceError): void {
    const failed = this.failed.get(composite) ?? new Set()
    this.failed.set(composite, failed.add(key))
    const { suite } = this.input
    const tolerated = Math.max(toleratedErrors, maxErrorShare * suite.cases.length * suite.content.repeats)
    if (failed.size > tolerated) this.stopped ??= `the engine failed on ${failed.size} cases (${error.message})`
  }

  private progress(): void {
    const { arms, suite, onProgress } = this.input
    const total = arms.length * suite.cases.length * suite.content.repeats
    const fromStore = total - this.jobs.length
    onProgress?.({ done: fromStore + this.done, total, fromStore, paidUsd: this.spentUsd })
  }
}
