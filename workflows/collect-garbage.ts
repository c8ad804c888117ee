import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import { type GarbagePhase, type GarbageRun, garbagePhases } from '../src/domain/retention'
import { type GarbageInput, type GarbageStatus, garbageStatus, readGarbageInput } from './garbage-messages'
import { collecting, recording } from './proxies'
import { searchAttributes } from './search-attributes'

/**
 * Drops what nothing needs any more, part by part; all that was dropped is counted where it was dropped. A run that is
 * under way already is gone on with, so two workflows on it do no harm. One that cannot go on is closed as failed.
 */
export async function collectGarbage(given: GarbageInput): Promise<GarbageStatus> {
  const input = readGarbageInput(given)
  if (input === undefined) throw ApplicationFailure.nonRetryable('A run takes {"by": "…"}.', 'invalid_request')
  const collection = new GarbageCollection(input)
  try {
    return await collection.all()
  } catch (error) {
    const cancelled = isCancellation(error)
    await CancellationScope.nonCancellable(() => collection.close(cancelled ? 'cancelled' : 'failed', error))
    throw error
  }
}

class GarbageCollection {
  private readonly work = collecting()
  private readonly record = recording()
  private readonly input: GarbageInput
  private status: GarbageStatus = { kind: 'opening' }

  constructor(input: GarbageInput) {
    this.input = input
    setHandler(garbageStatus, () => this.status)
    upsertSearchAttributes([{ key: searchAttributes.state, value: 'running' }])
  }

  async all(): Promise<GarbageStatus> {
    const summary = `open a run for ${this.input.by}`
    const opened = await this.record.openGarbageRun.executeWithOptions({ summary }, [this.input])
    if (opened === undefined) return this.off()
    this.show(opened)
    for (const phase of garbagePhases) await this.part(phase)
    await this.close('done')
    return this.status
  }

  async close(state: 'done' | 'failed' | 'cancelled', error?: unknown): Promise<void> {
    if (this.status.kind !== 'run') return
    const failure = state === 'failed' ? { failure: textOf(error) } : {}
    const request = { runId: this.status.id, state, ...failure }
    this.show(await this.record.closeGarbageRun.executeWithOptions({ summary: state }, [request]))
  }

  private async part(phase: GarbagePhase): Promise<void> {
    if (this.status.kind !== 'run') return
    this.status = { ...this.status, phase }
    const { id, totals } = this.status
    const summary = `drop ${phase}`
    const tally = await this.work.collectGarbagePart.executeWithOptions({ summary }, [{ runId: id, phase }])
    log.info(`${phase}: ${tally.count} dropped, ${tally.bytes} bytes`)
    this.status = { ...this.status, totals: { ...totals, [phase]: tally } }
    this.tell()
  }

  private off(): GarbageStatus {
    this.status = { kind: 'off' }
    setCurrentDetails('Retention is not automatic: nothing was dropped. `sluice gc policy --automatic on` turns it on.')
    upsertSearchAttributes([{ key: searchAttributes.state, value: 'off' }])
    return this.status
  }

  private show({ id, state, phase, totals, failure }: GarbageRun): void {
    const at = { ...(phase === undefined ? {} : { phase }), ...(failure === undefined ? {} : { failure }) }
    this.status = { kind: 'run', id, state, totals, ...at }
    upsertSearchAttributes([{ key: searchAttributes.state, value: state }])
    this.tell()
  }

  private tell(): void {
    if (this.status.kind !== 'run') return
    const { id, state, totals, failure } = this.status
    const lines = garbagePhases.map((phase) => `- ${phase}: ${totals[phase].count}, ${totals[phase].bytes} bytes`)
    setCurrentDetails(
      [`### Run ${id}: ${state}`, '', ...lines, ...(failure === undefined ? [] : ['', failure])].join('\n'),
    )
  }
}

/** What the activity said, and not that one failed. */
function textOf(error: unknown): string {
  const cause = error instanceof ActivityFailure ? error.cause : error
  if (cause instanceof ApplicationFailure) return cause.type ? `${cause.type}: ${cause.message}` : cause.message
  return cause instanceof Error ? cause.message : String(error)
}
