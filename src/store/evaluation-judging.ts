import { setMaxListeners } from 'node:events'
import type { JudgesPaid } from '../domain/evaluation'
import { maxErrorShare } from '../domain/evaluation-gate'
import { worstCostUsd } from '../domain/pricing'
import { callEngine, endpointOf } from '../engines'
import type { Endpoint, Endpoints } from '../engines/engine'
import { createSlots, paceOf, type Slots } from '../engines/pace'
import { assert, SluiceError } from '../errors'
import type { EvaluationBudget } from './evaluation-budget'
import type { Judge, Judges, Question } from './evaluation-judges'
import { CallPace } from './evaluation-pace'
import type { JudgementStore } from './judgements'

export interface JudgingInput {
  readonly evaluationId: string
  readonly judges: Judges
  readonly endpoints: Endpoints
  /** Shared with the calls whose outputs are judged. */
  readonly budget: EvaluationBudget
  /** Questions of the whole run, for the share of failures and for progress. */
  readonly expected: number
  readonly concurrency?: number
  readonly signal?: AbortSignal
  readonly onProgress?: () => void
}

/** Failed calls of judges that never stop judging by themselves. */
const toleratedErrors = 5
/** A longer answer is unreadable anyway. */
const maxAnswerCharacters = 100_000

/** Asks judges what has no stored answer yet, within the budget; their answers are read when scores are computed. */
export class Judging {
  private calls = 0
  private failed = 0
  private stopped: string | undefined
  /** Questions that are settled, and those of them that were answered before. */
  done = 0
  fromStore = 0
  readonly expected: number
  private readonly halt = new AbortController()
  /** Ends the wait of questions whose turn has not come. */
  private readonly waitSignal: AbortSignal
  private readonly places: ReadonlyMap<string, JudgePlace>
  private readonly slots: Slots | undefined
  private readonly judgements: JudgementStore
  private readonly input: JudgingInput

  constructor(judgements: JudgementStore, input: JudgingInput) {
    this.judgements = judgements
    this.input = input
    this.expected = input.expected
    this.waitSignal = input.signal ? AbortSignal.any([this.halt.signal, input.signal]) : this.halt.signal
    // Every question of a page may wait for its turn at the same time.
    setMaxListeners(0, this.waitSignal)
    this.slots = input.concurrency === undefined ? undefined : createSlots(input.concurrency)
    this.places = new Map(
      Object.values(input.judges).map((judge) => [
        judge.digest,
        { judge, endpoint: endpointOf(input.endpoints, judge.engine.endpoint) },
      ]),
    )
  }

  /** Ends when every question has an answer or will get none in this run. Throws the signal's reason when aborted. */
  async ask(questions: readonly Question[]): Promise<void> {
    const open = new Map(questions.map((question) => [question.id, question]))
    for (const id of open.size === 0 ? [] : await this.judgements.answered([...open.values()])) open.delete(id)
    this.settled(questions.length - open.size, true)
    const ended = await Promise.allSettled([...open.values()].map((question) => this.askOne(question)))
    this.input.signal?.throwIfAborted()
    for (const end of ended) if (end.status === 'rejected') throw end.reason
  }

  get paidUsd(): number {
    return this.input.budget.paidUsd
  }

  async paid(): Promise<JudgesPaid> {
    const { answers, costUsd } = await this.judgements.paidBy(this.input.evaluationId)
    const lostCalls = await this.judgements.lostCalls(Object.values(this.input.judges).map(({ digest }) => digest))
    const { calls, stopped } = this
    return { calls, answers, costUsd, lostCalls, ...(stopped === undefined ? {} : { stopped }) }
  }

  private async askOne(question: Question): Promise<void> {
    if (this.stopped !== undefined) return
    const place = this.places.get(question.judge)
    assert(place !== undefined, 'every judge of the suite has its place')
    const characters = question.messages.reduce((sum, { content }) => sum + content.length, 0)
    const worst = worstCostUsd(place.judge.engine, characters)
    if (!(await this.input.budget.reserve(worst))) {
      return this.stop(`the budget of $${this.input.budget.limitUsd} is used up`)
    }
    let paid = 0
    try {
      paid = await this.call(question, place)
    } catch (error) {
      // It was not its turn when judging stopped: nothing was asked, or the provider had refused for now.
      if (error === this.halt.signal.reason) return
      if (!(error instanceof SluiceError) || error.code !== 'engine_failed') throw error
      this.countFailure(error)
    } finally {
      this.input.budget.settle(worst, paid)
    }
    this.settled(1, false)
  }

  /** Answers what was paid. A call is counted in the store before it can go out. */
  private async call(question: Question, { judge, endpoint }: JudgePlace): Promise<number> {
    const { signal, evaluationId } = this.input
    const pace = new CallPace(paceOf(endpoint), this.slots, this.waitSignal)
    const { messages, seed, ...key } = question
    const place = await this.judgements.begin(key)
    const order = { engine: judge.engine, endpoint, messages, seed, pace, ...(signal ? { signal } : {}) }
    const answer = await callEngine(order).finally(async () => {
      if (pace.wasSent) this.calls += 1
      else await this.judgements.forgo(place)
    })
    const { attempts: _attempts, truncated: _truncated, text, ...measured } = answer
    const kept = text.slice(0, maxAnswerCharacters + 1)
    await this.judgements.put(place, { ...measured, text: kept, measuredAt: Date.now(), evaluationId })
    return answer.costUsd
  }

  private countFailure(error: SluiceError): void {
    this.failed += 1
    const tolerated = Math.max(toleratedErrors, maxErrorShare * this.expected)
    if (this.failed > tolerated) this.stop(`the judge failed on ${this.failed} outputs (${error.message})`)
  }

  private stop(why: string): void {
    this.stopped ??= why
    this.halt.abort(new Error(why))
  }

  private settled(questions: number, stored: boolean): void {
    this.done += questions
    if (stored) this.fromStore += questions
    this.input.onProgress?.()
  }
}

interface JudgePlace {
  readonly judge: Judge
  readonly endpoint: Endpoint
}
