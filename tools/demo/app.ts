/**
 * One application of the demo, as a process of its own: it embeds the SDK, scores what it is given and knows nothing
 * of releases. The demo forks it and talks to it over the channel; without the channel it ends.
 */
import { randomUUID } from 'node:crypto'
import { createWriteStream, type WriteStream } from 'node:fs'
import { costOf } from '../../src/domain/pricing'
import { connect, SluiceError } from '../../src/sdk'
import type { Sluice } from '../../src/sdk/client'
import type { Serving } from '../../src/sdk/serving'
import type { Begin, FromApplication, Order, Row, ServedRow, ToApplication } from './messages'
import { readTranscripts } from './transcripts'

const maxFaults = 20

class Application {
  private readonly begin: Begin
  private readonly sluice: Sluice
  private readonly log: WriteStream | undefined
  private readonly transcripts = readTranscripts()
  private readonly faults: string[]

  constructor(begin: Begin, sluice: Sluice, faults: string[]) {
    this.begin = begin
    this.sluice = sluice
    this.faults = faults
    this.log = begin.log === undefined ? undefined : createWriteStream(begin.log)
  }

  async score(order: Order): Promise<void> {
    const { tenant, conversation, startedAt, binding } = order
    // Another application may have heard of the newest entry a moment before this one.
    const serving = await this.sluice.resolveCaughtUp(this.begin.task, { tenant, conversation, startedAt, binding })
    const resolvedAt = Date.now()
    if (serving.skip !== undefined) {
      const { name: application } = this.begin
      this.answer(order, { kind: 'skipped', application, tenant, conversation, skip: serving.skip, resolvedAt })
      return
    }
    const row = await this.served(order, serving, resolvedAt)
    if (order.last) this.sluice.close(serving)
    this.answer(order, row, serving.binding)
  }

  private async served(order: Order, serving: Serving, resolvedAt: number): Promise<ServedRow> {
    const { tenant, conversation, transcript, cut, last } = order
    const { arm, reason, seq, slice, tenantSeq, headSeq } = serving
    const requestId = randomUUID()
    const result = await this.run(order, serving, requestId)
    return {
      kind: 'served',
      application: this.begin.name,
      requestId,
      tenant,
      conversation,
      transcript,
      cut,
      last,
      composite: serving.composite.id,
      arm,
      reason,
      seq,
      slice,
      tenantSeq,
      headSeq,
      resolvedAt,
      answeredAt: Date.now(),
      ...result,
    }
  }

  /** An engine that fails is reported by the SDK and costs nothing. */
  private async run({ transcript, cut }: Order, serving: Serving, requestId: string) {
    const text = this.transcripts[transcript]?.[cut] ?? ''
    try {
      const result = await serving.run({ transcript: text }, { requestId })
      const { outcome, inputTokens, cachedTokens, outputTokens, costUsd } = result
      const usage = { inputTokens, cachedTokens, outputTokens }
      const { uncachedCostUsd } = costOf(serving.engine.pricePerMillion, usage)
      return { outcome, ...usage, costUsd, uncachedCostUsd }
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'engine_failed')) throw error
      const nothing = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0, uncachedCostUsd: 0 }
      return { outcome: 'error' as const, ...nothing }
    }
  }

  private answer({ id }: Order, row: Row, binding?: string): void {
    this.log?.write(`${JSON.stringify(row)}\n`)
    tell({ kind: 'answer', id, row, ...(binding === undefined ? {} : { binding }) })
  }

  async stop(): Promise<void> {
    await this.sluice.shutdown()
    await new Promise<void>((resolve) => (this.log === undefined ? resolve() : this.log.end(() => resolve())))
    tell({ kind: 'ended', dropped: this.sluice.dropped, faults: this.faults })
  }
}

const tell = (message: FromApplication): void => void process.send?.(message)

async function start(begin: Begin): Promise<Application> {
  const faults: string[] = []
  const sluice = await connect({
    url: begin.apiUrl,
    apiKey: begin.apiKey,
    environment: 'production',
    endpoints: { simulated: { url: begin.engineUrl, apiKey: begin.engineKey } },
    flushIntervalMs: 500,
    onError: ({ code, message }) => void (faults.length < maxFaults && faults.push(`${code}: ${message}`)),
  })
  tell({ kind: 'ready' })
  return new Application(begin, sluice, faults)
}

function main(): void {
  let application: Promise<Application> | undefined
  const failed = (error: unknown): void => tell({ kind: 'failed', message: String((error as Error).stack ?? error) })
  process.on('message', (message: ToApplication) => {
    if (message.kind === 'begin') {
      application = start(message)
      application.catch(failed)
    } else if (message.kind === 'stop') {
      application?.then((one) => one.stop()).then(() => process.disconnect(), failed)
    } else application?.then((one) => one.score(message)).catch(failed)
  })
  // The demo stops its applications itself, in order; a Ctrl-C of the terminal reaches them too.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => undefined)
  process.on('disconnect', () => process.exit())
}

main()
