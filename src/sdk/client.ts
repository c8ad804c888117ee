import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { entryAt } from '../domain/compiled-lane'
import type { SchemaContent } from '../domain/contents'
import { type ResolveRequest, resolve } from '../domain/resolve'
import type { Snapshot } from '../domain/snapshot'
import type { Outcome } from '../domain/telemetry'
import { observedOutputs } from '../domain/telemetry-outputs'
import { SluiceError } from '../errors'
import type { PromptValue } from '../kinds/prompt-render'
import { compileSchema } from '../kinds/schema-compile'
import { AgeWatch } from './age-watch'
import { flushAtExit, forgetAtExit } from './at-exit'
import { CaptureQueue, type ServedContent } from './capture-queue'
import { Feed } from './feed'
import { type Gap, HeldSnapshot, lateEntryOf } from './held-snapshot'
import { Http } from './http'
import { ageAt, confirmedAtOf, LastKnownGood } from './last-known-good'
import { assertOutcome, type LateQuality } from './late-quality'
import { type ConnectOptions, Emitter, type Listener, type SluiceEvents } from './options'
import { Recorder } from './recorder'
import { amountsOf, eventsOf, pricedEngine, type Report, recordOf } from './report'
import { Reporter } from './reporter'
import { RequestIds } from './request-ids'
import { answerCopy, runServing } from './run'
import type { RunOptions, RunResult } from './run-result'
import { ServerClock } from './server-clock'
import { type NotServing, Serving, type ServingContext } from './serving'
import { ShadowQueue } from './shadow-queue'

/** Which conversation asks. Either `binding`, as an earlier serving gave it, or `startedAt` is needed. */
export interface ConversationRequest {
  readonly tenant: string
  readonly conversation: string
  readonly binding?: string | undefined
  /** When the conversation began, by this machine's clock. */
  readonly startedAt?: Date | number | undefined
}

const defaults = { maxStaleMs: 300_000, flushIntervalMs: 1_000, connectTimeoutMs: 5_000, caughtUpMs: 2_000 }
/** How often the file on disk learns that an unchanged snapshot is still confirmed. */
const confirmOnDiskMs = 60_000

/** The embedded client: decides by itself from a snapshot in memory, and tells the server what happened. */
export class Sluice {
  private readonly options: ConnectOptions
  private readonly emitter = new Emitter()
  private readonly clock: ServerClock
  private readonly held: HeldSnapshot
  private readonly http: Http
  private readonly feed: Feed
  private readonly disk: LastKnownGood | undefined
  private readonly recorder = new Recorder()
  private readonly requestIds = new RequestIds()
  private readonly reporter: Reporter
  private readonly captures: CaptureQueue
  private readonly shadows: ShadowQueue
  private readonly maxStaleMs: number
  private readonly age: AgeWatch
  private savedAt = Number.NEGATIVE_INFINITY
  private stopped: Promise<void> | undefined
  private readonly runner = (serving: Serving, values: Readonly<Record<string, PromptValue>>, options?: RunOptions) =>
    this.run(serving, values, options)

  /** Use `connect`. */
  constructor(options: ConnectOptions) {
    this.options = options
    this.maxStaleMs = options.maxStaleMs ?? defaults.maxStaleMs
    this.clock = new ServerClock(options.clock ?? Date.now)
    this.held = new HeldSnapshot(this.clock)
    this.age = new AgeWatch(this.held, this.maxStaleMs, (event) => this.emitter.emit('stale', event))
    this.http = new Http(options.url, options.apiKey, this.clock)
    const { cacheDir, environment, url } = options
    this.disk = cacheDir === undefined ? undefined : new LastKnownGood(cacheDir, environment, url)
    if (options.onChange) this.on('change', options.onChange)
    if (options.onStale) this.on('stale', options.onStale)
    if (options.onError) this.on('error', options.onError)
    this.feed = new Feed({
      http: this.http,
      held: this.held,
      environment: options.environment,
      clock: this.clock,
      sink: {
        confirmed: () => this.confirmed(),
        replaced: (snapshot, sure) => this.replaced(snapshot, sure),
        changed: (delta, sure) => {
          const previous = this.held.version
          const gaps = this.held.apply(delta)
          if (gaps) this.moved(previous, gaps, sure)
          return gaps !== undefined
        },
        failed: (error) => this.emitter.emit('error', error),
      },
    })
    this.clock.onJump = () => {
      if (this.stopped !== undefined || this.held.version === undefined) return
      this.age.woke()
      // Where nobody answers, the feed's own loop meets the same and tells it.
      void this.feed.woke().catch(() => undefined)
    }
    const reporter = randomUUID()
    this.captures = new CaptureQueue({ http: this.http, environment: options.environment, reporter })
    this.shadows = new ShadowQueue({
      http: this.http,
      environment: options.environment,
      reporter,
      shadowOf: (task) => this.held.lane(task)?.view.shadow,
      compositeOf: (id) => this.held.compiled?.composite(id),
      now: () => this.clock.now(),
      answer: (served, candidate, signal) => answerCopy(served, candidate, { ...this.runParts(), signal }),
    })
    this.reporter = new Reporter(reporter, {
      http: this.http,
      recorder: this.recorder,
      captures: this.captures,
      shadows: this.shadows,
      environment: options.environment,
      flushIntervalMs: options.flushIntervalMs ?? defaults.flushIntervalMs,
      heads: () => this.held.heads(),
      failed: (error) => this.emitter.emit('error', error),
    })
  }

  /** Called by `connect`: the snapshot from the server, else from disk; then the feed and the reports begin. */
  async start(): Promise<void> {
    await this.loadFromDisk()
    try {
      await this.feed.refresh(this.options.connectTimeoutMs ?? defaults.connectTimeoutMs)
    } catch (error) {
      if (this.held.version === undefined) {
        await this.feed.close()
        throw error
      }
      this.emitter.emit('error', error as SluiceError)
    }
    // Also where the server answered: it may have confirmed nothing.
    this.age.watch()
    this.feed.start()
    this.reporter.start()
    flushAtExit(this.reporter)
  }

  /** The answer takes the listener away again. */
  on<K extends keyof SluiceEvents>(name: K, listener: Listener<K>): () => void {
    return this.emitter.on(name, listener)
  }

  /** The version of the snapshot that is served by, and its age since the server confirmed it. */
  get snapshot(): { readonly version: string; readonly ageMs: number; readonly stale: boolean } {
    const { version = '', ageMs } = this.held
    return { version, ageMs, stale: ageMs > this.maxStaleMs }
  }

  /** The newest entry of each task that is served by. */
  get heads(): Readonly<Record<string, number>> {
    return this.held.heads()
  }

  /** Records that could not be told to the server, to keep memory bounded or because it refused them. */
  get dropped(): number {
    return this.recorder.dropped
  }

  /** Inputs and outputs that were to be captured and could not be kept or handed over. */
  get capturesDropped(): number {
    return this.captures.dropped
  }

  /** Copies for a shadow that found no room, no money or no end. */
  get shadowsDropped(): number {
    return this.shadows.dropped
  }

  /**
   * What serves the conversation, synchronously. Throws `unknown_task`, `invalid_id`, `start_missing`,
   * `start_in_future`, `malformed_binding`, `snapshot_behind`, and `snapshot_stale` where stale serving is off.
   */
  resolve(task: string, request: ConversationRequest): Serving | NotServing {
    const { compiled, ageMs } = this.held
    if (compiled === undefined) throw new SluiceError('snapshot_stale', 'There is no snapshot yet. Use `connect`.')
    const stale = ageMs > this.maxStaleMs
    if (stale && this.options.failWhenStale) {
      throw new SluiceError('snapshot_stale', `The snapshot is ${Math.round(ageMs)} ms old.`, { ageMs })
    }
    const { tenant, conversation, binding } = request
    const startedAt = this.startOf(request, compiled.leadMs)
    const question: ResolveRequest = {
      task,
      tenant,
      conversation,
      binding,
      startedAt,
      allowBehind: this.options.allowBehind,
    }
    const decision = this.decide(question)
    if ('skip' in decision) return decision
    const headSeq = this.held.headSeq(task)
    const context: ServingContext = { task, tenant, conversation, startedAt, ageMs, headSeq, stale }
    return new Serving(decision, context, this.runner)
  }

  /**
   * The same, but a binding that is newer than the snapshot is waited for: another process heard of the entry a
   * moment earlier. Throws `snapshot_behind` only when the server does not bring it in time.
   */
  async resolveCaughtUp(
    task: string,
    request: ConversationRequest,
    timeoutMs = defaults.caughtUpMs,
  ): Promise<Serving | NotServing> {
    const until = performance.now() + timeoutMs
    for (;;) {
      try {
        return this.resolve(task, request)
      } catch (error) {
        const left = until - performance.now()
        if (!(error instanceof SluiceError) || error.code !== 'snapshot_behind' || left <= 0) throw error
        await Promise.race([this.feed.refresh().catch(() => undefined), pause(left, undefined, { ref: false })])
        await pause(Math.min(behindPauseMs, left), undefined, { ref: false })
      }
    }
  }

  /**
   * Tells what became of a request. Never throws: what cannot be true (a cost that is no number) is refused with an
   * `error` event, and counted. The answer says whether it was taken.
   */
  report(serving: Serving, report: Report): boolean {
    return this.take(serving, report, report)
  }

  /** `output`: what the watched fields are read from; absent: what the report brings. */
  private take(serving: Serving, report: Report, content: ServedContent, output?: unknown): boolean {
    try {
      const requestId = report.requestId ?? this.requestIds.next()
      const outcome = outcomeOf(serving, report)
      const amounts = amountsOf(report, pricedEngine(serving, report))
      const lane = this.held.lane(serving.task)
      const { thresholds, outputs } = entryAt(lane, serving.seq)?.entry ?? {}
      const elapsedMs = performance.now()
      const at = Math.round(this.clock.nowFrom(elapsedMs))
      this.recorder.record(serving, recordOf(serving, { requestId, at, outcome, amounts }, report), {
        events: eventsOf(outcome, amounts, thresholds),
        // Served by an older entry than it is bound to, it is no evidence of that one.
        gap: serving.behind || (serving.startedAt !== undefined && this.held.inGap(serving.task, serving.startedAt)),
        outputs:
          outputs && outcome === 'ok'
            ? observedOutputs(outputs, output === undefined ? report.output : output)
            : undefined,
        elapsedMs,
      })
      const share = lane?.view.capture
      if (share !== undefined) this.captures.add(share, serving, requestId, content)
      return true
    } catch (error) {
      return this.refused(error)
    }
  }

  /** The conversation ended: its cost and latency are final. */
  close(serving: Serving): void {
    this.recorder.close(serving)
  }

  /** A judgement that arrives later, even days: a survey, thumbs. Never throws; see `report`. */
  outcome(task: string, of: { readonly tenant: string; readonly conversation: string }, quality: LateQuality): boolean {
    try {
      const { tenant, conversation } = of
      const { metric, value, id = randomUUID() } = quality
      const told = { id, task, tenant, conversation, metric, value, at: Math.round(this.clock.now()) }
      assertOutcome(told)
      this.recorder.addLateOutcome(told)
      return true
    } catch (error) {
      return this.refused(error)
    }
  }

  /** Calls the pinned engine, or the one its router names, reads the output and reports by itself. */
  run(serving: Serving, values: Readonly<Record<string, PromptValue>>, options?: RunOptions): Promise<RunResult> {
    const report = (of: Serving, told: Report, content: ServedContent = {}, output?: unknown): void => {
      this.take(of, told, content, output)
      this.shadows.offer({ serving, values, options: options ?? {}, report: told, output })
    }
    return runServing(serving, values, { ...this.runParts(), report }, options)
  }

  private runParts() {
    return { endpoints: this.options.endpoints ?? {}, postprocessors: this.options.postprocessors ?? {} }
  }

  /** Sends all reports now. Rejects where the server does not take them; they are kept. */
  flush(): Promise<void> {
    return this.reporter.flush()
  }

  /** Sends what is left and ends everything. */
  shutdown(): Promise<void> {
    this.stopped ??= this.stop()
    return this.stopped
  }

  private async stop(): Promise<void> {
    forgetAtExit(this.reporter)
    this.age.stop()
    this.shadows.close()
    await Promise.all([this.feed.close(), this.reporter.close()])
    this.age.stop()
    await this.save()
  }

  private startOf({ binding, startedAt }: ConversationRequest, leadMs: number): number | undefined {
    if (startedAt === undefined) return undefined
    const start = this.clock.corrected(startedAt instanceof Date ? startedAt.getTime() : startedAt)
    if (binding === undefined && start > this.clock.now() + leadMs) {
      const details = { startedAt: start, now: this.clock.now() }
      throw new SluiceError('start_in_future', 'The conversation would begin in the future. Check the clock.', details)
    }
    return start
  }

  private decide(question: ResolveRequest): ReturnType<typeof resolve> {
    const { compiled } = this.held
    if (compiled === undefined) throw new SluiceError('snapshot_stale', 'There is no snapshot yet.')
    try {
      return resolve(compiled, question)
    } catch (error) {
      // Another process is ahead: ask at once instead of waiting for the stream.
      if (error instanceof SluiceError && error.code === 'snapshot_behind')
        void this.feed.refresh().catch(() => undefined)
      throw error
    }
  }

  private refused(error: unknown): false {
    const text = `What was told cannot be read: ${error instanceof Error ? error.message : 'it threw'}.`
    const known = error instanceof SluiceError ? error : new SluiceError('invalid_telemetry', text)
    this.recorder.countRefused()
    this.emitter.emit('error', known)
    return false
  }

  private confirmed(): void {
    this.held.confirm()
    this.age.watch()
    if (performance.now() - this.savedAt >= confirmOnDiskMs) void this.save()
  }

  private replaced(snapshot: Snapshot, sure: boolean): void {
    const previous = this.held.version
    this.moved(previous, this.held.replace(snapshot), sure)
  }

  private moved(previous: string | undefined, gaps: readonly Gap[], sure: boolean): void {
    if (sure) this.held.confirm()
    this.age.watch()
    for (const gap of gaps) this.recorder.markGap(gap, lateEntryOf(gap, this.held.entry(gap.task, gap.seq)))
    void this.save()
    const { version = '' } = this.held
    this.emitter.emit('change', { version, ...(previous === undefined ? {} : { previous }) })
  }

  private async loadFromDisk(): Promise<void> {
    try {
      const known = await this.disk?.read()
      if (known === undefined) return
      this.held.replace(known.snapshot)
      this.held.confirm(ageAt(this.clock.now(), known))
    } catch (error) {
      this.emitter.emit('error', error as SluiceError)
    }
  }

  private async save(): Promise<void> {
    const { compiled, ageMs } = this.held
    if (this.disk === undefined || compiled === undefined) return
    this.savedAt = performance.now()
    try {
      await this.disk.write({ snapshot: compiled.snapshot, confirmedAt: confirmedAtOf(this.clock.now(), ageMs) })
    } catch (error) {
      const text = `The last known good snapshot cannot be written: ${(error as Error).message}.`
      this.emitter.emit('error', new SluiceError('invalid_config', text, { cacheDir: this.options.cacheDir }))
    }
  }
}

const behindPauseMs = 20

/** An `ok` is believed only where a given output fits the served schema. */
function outcomeOf(serving: Serving, report: Report): Outcome {
  if (report.outcome !== 'ok' || report.output === undefined) return report.outcome
  const schema = serving.ofKind<SchemaContent>('schema')
  return schema === undefined || compileSchema(schema)(report.output).length === 0 ? 'ok' : 'schema_failure'
}
