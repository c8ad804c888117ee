import { setMaxListeners } from 'node:events'
import type { Branch } from '../domain/branch'
import type { SuiteCase } from '../domain/contents'
import { maxErrorShare } from '../domain/evaluation-gate'
import { type ProviderPair, pairOf } from '../domain/provider-change'
import type { Digest } from '../domain/version'
import { callEngine, createSlots, defaultConcurrency, endpointOf, paceOf, type Slots } from '../engines'
import type { Endpoint, Endpoints, EngineAnswer, EngineCall } from '../engines/engine'
import { assert, SluiceError } from '../errors'
import { answerRequest, enginesOf, type PipelineOutcome, sentTo } from '../pipeline/pipeline'
import type { EvaluationBudget } from './evaluation-budget'
import { type CallJob, jobPages, placeOf, seedOf, worstCost } from './evaluation-jobs'
import { CallPace } from './evaluation-pace'
import type { Callable, EvaluationCatalog, LoadedSuite } from './evaluation-plan'
import type { EvaluationProgress } from './evaluations'
import type { ResultKey, ResultPlace, ResultStore } from './evidence-results'

export interface CallsDeps {
  readonly catalog: EvaluationCatalog
  readonly results: ResultStore
  readonly endpoints: Endpoints
}

export interface CallsInput {
  readonly evaluationId: string
  readonly suite: LoadedSuite
  /** Candidate first; the incumbent where there is one. */
  readonly arms: readonly Callable[]
  /** Shared with whatever else this evaluation pays. */
  readonly budget: EvaluationBudget
  /** Calls in flight of this evaluation; absent: as many as its endpoints take. */
  readonly concurrency?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: EvaluationProgress) => void
  /** Told of every page of cases, in order and one at a time, once nothing of it is under way any more. */
  readonly onPage: (cases: readonly SuiteCase[], failed: FailedCalls) => Promise<void>
}

/** Composite → places of the cases that the engine gave no answer to. */
export type FailedCalls = ReadonlyMap<Digest, ReadonlySet<string>>

export interface CallsOutcome {
  readonly calls: number
  /** Why not everything was run. */
  readonly stopped?: string
}

/** Failed calls of one arm that never stop a run by themselves. */
const toleratedErrors = 5
/**
 * Jobs under way for each slot: while one is with the engine, the next one is counted in the store, together with what
 * the last one was answered, so that slots never wait for the store.
 */
const jobsPerSlot = 4
const maxLanes = 1_000
/** Pages that may be open at once: a call that takes long holds up no others until so many pages later. */
const maxOpenPages = 8

/** Runs whatever has no stored result yet, within the budget. Throws the signal's reason when aborted. */
export async function runCalls(deps: CallsDeps, input: CallsInput): Promise<CallsOutcome> {
  const run = new CallRun(deps, input)
  await run.all()
  return run.outcome()
}

/** Cases whose calls are under way; `settled` once all of them have ended. */
class OpenPage {
  readonly settled: Promise<void>
  private left: number
  private settle: () => void = () => undefined

  constructor(jobs: number) {
    this.left = jobs
    this.settled = new Promise((resolve) => {
      this.settle = resolve
    })
    if (jobs === 0) this.settle()
  }

  ended(): void {
    this.left -= 1
    if (this.left === 0) this.settle()
  }
}

interface Turn {
  readonly job: CallJob
  readonly page: OpenPage
}

/** What was asked for one job so far. */
interface Asked {
  /** Calls that went out. */
  calls: number
  /** Of the last engine that was asked to answer. */
  seed: number
  /** Where its first call was counted; so are the others, and what they left. */
  place?: ResultPlace
  classifier?: Pick<ProviderPair, 'model' | 'fingerprint'>
}
interface Sending {
  readonly asked: Asked
  readonly last: Kept
}
type JobOutcome = PipelineOutcome<EngineAnswer>
type Answered = Extract<JobOutcome, { readonly answer: EngineAnswer }> & { readonly branch?: Branch }
type Failed = Extract<JobOutcome, { readonly error: unknown }>

/** The write of what a lane's last call was answered; each lane has one under way at most. */
interface Kept {
  readonly kept: Promise<void>
}

class CallRun {
  private done = 0
  private fromStore = 0
  private calls = 0
  private stopped: string | undefined
  private readonly faults: unknown[] = []
  private readonly failed = new Map<Digest, Set<string>>()
  /** Calls that wait for their slot are given up when the run stops; those in flight are not. */
  private readonly halt = new AbortController()
  private readonly waitSignal: AbortSignal
  private readonly slots: Slots | undefined
  private readonly places: ReadonlySet<Endpoint>
  private readonly deps: CallsDeps
  private readonly input: CallsInput

  constructor(deps: CallsDeps, input: CallsInput) {
    this.deps = deps
    this.input = input
    // Also those that no case may reach: a suite that lacks one of them is no measure of what will serve.
    const engines = input.arms.flatMap(({ pipeline }) => enginesOf(pipeline))
    this.places = new Set(engines.map(({ endpoint }) => endpointOf(deps.endpoints, endpoint)))
    this.slots = input.concurrency === undefined ? undefined : createSlots(input.concurrency)
    // Every lane may wait for its slot at the same time.
    this.waitSignal = input.signal ? AbortSignal.any([this.halt.signal, input.signal]) : this.halt.signal
    setMaxListeners(2 * maxLanes, this.waitSignal, ...(input.signal ? [input.signal] : []))
  }

  async all(): Promise<void> {
    this.progress()
    const turns = this.turns()
    const lane = async (): Promise<void> => {
      let last: Kept = { kept: Promise.resolve() }
      for (let next = await turns.next(); !next.done; next = await turns.next()) {
        last = await this.take(next.value, last)
      }
      await last.kept
    }
    await Promise.all(Array.from({ length: this.lanes() }, () => lane().catch((fault) => this.fail(fault))))
    this.input.signal?.throwIfAborted()
    if (this.faults.length > 0) throw this.faults[0]
  }

  outcome(): CallsOutcome {
    const { calls, stopped } = this
    return { calls, ...(stopped === undefined ? {} : { stopped }) }
  }

  private get isOver(): boolean {
    return this.faults.length > 0 || this.input.signal?.aborted === true
  }

  private lanes(): number {
    const limits = [...this.places].map(({ concurrency = defaultConcurrency }) => concurrency)
    const slots = limits.reduce((sum, limit) => sum + limit, 0)
    return Math.min(maxLanes, jobsPerSlot * Math.min(slots, this.input.concurrency ?? slots))
  }

  /** Every job in turn. A page is handed on in order, after the page before it. */
  private async *turns(): AsyncGenerator<Turn> {
    const { suite, arms } = this.input
    const handedOn: Promise<void>[] = []
    for await (const { cases, jobs, stored } of jobPages(this.deps.catalog, this.deps.results, { suite, arms })) {
      await handedOn.at(-maxOpenPages)
      if (this.isOver) return
      const page = new OpenPage(jobs.length)
      handedOn.push(this.handOn(cases, page, handedOn.at(-1)))
      this.fromStore += stored
      this.progress()
      for (const job of jobs) {
        if (this.isOver) return
        yield { job, page }
      }
    }
    await handedOn.at(-1)
  }

  private async handOn(cases: readonly SuiteCase[], page: OpenPage, before?: Promise<void>): Promise<void> {
    await page.settled
    await before
    if (this.isOver) return
    await this.input.onPage(cases, this.failed).catch((fault) => this.fail(fault))
  }

  private fail(fault: unknown): void {
    this.faults.push(fault)
    this.halt.abort(fault)
  }

  private stop(why: string): void {
    this.stopped ??= why
    this.halt.abort(new Error(why))
  }

  /** A run that has stopped goes on through its pages, so that whatever is stored is reported. */
  private async take({ job, page }: Turn, last: Kept): Promise<Kept> {
    const made = this.stopped === undefined && !this.isOver ? await this.run(job, last) : last
    const kept = made.kept.catch((fault) => this.fail(fault)).then(() => page.ended())
    return { kept }
  }

  private async run(job: CallJob, last: Kept): Promise<Kept> {
    const worst = worstCost(job)
    if (!(await this.input.budget.reserve(worst))) {
      this.stop(`the budget of $${this.input.budget.limitUsd} is used up`)
      return last
    }
    const asked: Asked = { calls: 0, seed: 0 }
    let paid = 0
    try {
      const outcome = await this.answer(job, asked, last)
      paid = outcome.used.costUsd
      if ('answer' in outcome) return { kept: this.keep(job, outcome, asked) }
      return { kept: this.keepFailure(job, outcome, { asked, last }) }
    } catch (error) {
      this.fail(error)
      return last
    } finally {
      this.input.budget.settle(worst, paid)
    }
  }

  /** By the code that applications run: one call, or those that a router makes of the request. */
  private answer(job: CallJob, asked: Asked, last: Kept): Promise<JobOutcome> {
    const { arm, key, request } = job
    return answerRequest(arm.pipeline, request, async (engine, question) => {
      const seed = seedOf(engine, key.repeat)
      if (question === undefined) asked.seed = seed
      const sent = { engine, seed, ...sentTo(arm.pipeline, request, question) }
      const answer = await this.call(key, sent, { asked, last })
      if (question !== undefined) asked.classifier = pairOf(answer)
      return answer
    })
  }

  /** A call is counted in the store before it can go out. */
  private async call(key: ResultKey, sent: Omit<EngineCall, 'endpoint'>, to: Sending): Promise<EngineAnswer> {
    const { results, endpoints } = this.deps
    const { signal } = this.input
    const endpoint = endpointOf(endpoints, sent.engine.endpoint)
    const pace = new CallPace(paceOf(endpoint), this.slots, this.waitSignal)
    const [place] = await Promise.all([results.begin(to.asked.place ?? key), to.last.kept])
    to.asked.place = place
    return callEngine({ ...sent, endpoint, pace, ...(signal ? { signal } : {}) }).finally(async () => {
      if (!pace.wasSent) return results.forgo(place)
      this.calls += 1
      to.asked.calls += 1
    })
  }

  private async keep({ call }: CallJob, outcome: Answered, { calls, seed, classifier, place }: Asked): Promise<void> {
    assert(place !== undefined, 'what was answered was counted before')
    const { attempts: _attempts, ...measured } = outcome.answer
    const { evaluationId } = this.input
    const { branch } = outcome
    const routed = branch === undefined ? {} : { branch, calls, ...(classifier ? { classifier } : {}) }
    const paid = { measuredAt: Date.now(), evaluationId }
    await this.deps.results.put(place, { ...measured, ...outcome.used, ...routed, seed, call, ...paid })
    this.ended()
  }

  /** A classifier may have been paid though no candidate answered. */
  private async keepFailure(job: CallJob, { error, used }: Failed, { asked, last }: Sending): Promise<void> {
    // It was not its turn when the run stopped: nothing was asked, or the provider had refused for now.
    if (error !== this.halt.signal.reason) {
      if (!(error instanceof SluiceError) || error.code !== 'engine_failed') this.fail(error)
      else this.countFailure(job, error)
    }
    const { costUsd } = used
    const { evaluationId } = this.input
    if (costUsd > 0) {
      assert(asked.place !== undefined, 'what was paid was counted before')
      await this.deps.results.charge(asked.place, { evaluationId, costUsd })
    }
    await last.kept
  }

  private ended(): void {
    this.done += 1
    this.progress()
  }

  private countFailure({ arm, key }: CallJob, error: SluiceError): void {
    const failed = this.failed.get(arm.composite) ?? new Set()
    this.failed.set(arm.composite, failed.add(placeOf(key)))
    const { suite } = this.input
    const tolerated = Math.max(toleratedErrors, maxErrorShare * suite.cases * suite.content.repeats)
    if (failed.size > tolerated) this.stop(`the engine failed on ${failed.size} cases (${error.message})`)
    this.ended()
  }

  private progress(): void {
    const { arms, suite, onProgress } = this.input
    const total = arms.length * suite.cases * suite.content.repeats
    const { fromStore } = this
    onProgress?.({ done: fromStore + this.done, total, fromStore, paidUsd: this.input.budget.paidUsd })
  }
}
