import {
  ApplicationFailure,
  CancellationScope,
  continueAsNew,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import type { RescoreState, RescoreStatus } from '../src/domain/rescore'
import { bulk } from './proxies'
import {
  type RescoreInput,
  type RescoreItemOutcome,
  type RescorePlanned,
  readRescoreInput,
  rescoreStatus,
} from './rescore-messages'
import { searchAttributes } from './search-attributes'

/** Composites scored at the same time; how fast each goes, its endpoint decides. */
const together = 2
/** Composites of one run of the workflow: the next run goes on where it ended, so that no history grows without end. */
const perRun = 100
const keptNotes = 8

/**
 * Scores a task's composites on another suite: plans, then lets one activity a composite do the work. Nothing is scored
 * or paid twice, however often it runs.
 */
export async function rescore(given: RescoreInput): Promise<RescoreStatus> {
  const input = readRescoreInput(given)
  if (input === undefined) {
    const text = 'A rescore takes {"task": "…", "suite": "name@1.1.0", "by": "…", "recent": 10}.'
    throw ApplicationFailure.nonRetryable(text, 'invalid_request')
  }
  const run = new RescoreRun(input)
  try {
    return await run.all()
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => run.close('cancelled'))
    throw error
  }
}

class RescoreRun {
  private readonly activities = bulk()
  private readonly input: RescoreInput
  private status: RescoreStatus

  constructor(input: RescoreInput) {
    const { rescoreId = '', task, suite, from } = input
    const { of = 0, done = 0, failed = 0 } = from ?? {}
    this.input = input
    this.status = { rescoreId, task, suite, state: 'running', of, done, failed, notes: [] }
    setHandler(rescoreStatus, () => this.status)
    upsertSearchAttributes([
      { key: searchAttributes.task, value: task },
      { key: searchAttributes.state, value: 'running' },
    ])
    this.show({})
  }

  async all(): Promise<RescoreStatus> {
    const { rescoreId, of } = await this.plan()
    this.show({ rescoreId, of })
    const first = this.input.from?.next ?? 0
    const end = Math.min(of, first + perRun)
    let next = first
    const lane = async (): Promise<void> => {
      while (next < end) {
        const index = next
        next += 1
        await this.item(index)
      }
    }
    await Promise.all(Array.from({ length: together }, lane))
    if (end < of) {
      const { done, failed } = this.status
      await continueAsNew<typeof rescore>({ ...this.input, rescoreId, from: { of, next: end, done, failed } })
    }
    await this.close(this.status.failed > 0 ? 'failed' : 'done')
    return this.status
  }

  async close(state: Exclude<RescoreState, 'running'>): Promise<void> {
    const { rescoreId } = this.status
    if (rescoreId !== '') {
      await this.activities.closeRescore.executeWithOptions({ summary: state }, [{ rescoreId, state }])
    }
    this.show({ state })
    upsertSearchAttributes([{ key: searchAttributes.state, value: state }])
  }

  private async plan(): Promise<RescorePlanned> {
    const { from, rescoreId } = this.input
    if (from !== undefined && rescoreId !== undefined) return { rescoreId, of: from.of }
    const summary = `plan ${this.input.task} on ${this.input.suite}`
    return this.activities.planRescore.executeWithOptions({ summary }, [this.input])
  }

  private async item(index: number): Promise<void> {
    const { rescoreId, of } = this.status
    const summary = `composite ${index + 1} of ${of}`
    const told = await this.activities.rescoreItem.executeWithOptions({ summary }, [{ rescoreId, index }])
    const { outcome } = told
    const failed = this.status.failed + (outcome.kind === 'failed' ? 1 : 0)
    log.info(textOf(told))
    this.show({ done: this.status.done + 1, failed, notes: [...this.status.notes, textOf(told)].slice(-keptNotes) })
  }

  private show(change: Partial<RescoreStatus>): void {
    this.status = { ...this.status, ...change }
    const { task, suite, state, done, failed, of, notes } = this.status
    setCurrentDetails(
      [
        `### ${plain(task)} on ${plain(suite)}: ${state}`,
        '',
        `${done} of ${of} composites scored, ${failed} could not be`,
        '',
        ...notes.map((note) => `- ${plain(note)}`),
      ].join('\n'),
    )
  }
}

/** Characters with a meaning in Markdown, in texts that people typed. */
const plain = (text: string): string => text.replace(/[\\`*_{}[\]<>|#\r\n]/g, ' ')

const textOf = ({ composite, outcome }: RescoreItemOutcome): string =>
  outcome.kind === 'scored' ? `${composite}: ${outcome.verdict}` : `${composite}: ${outcome.code}: ${outcome.message}`
