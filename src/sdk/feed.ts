import { setTimeout as pause } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Snapshot, SnapshotDelta } from '../domain/snapshot'
import { SluiceError } from '../errors'
import type { HeldSnapshot } from './held-snapshot'
import { type Http, unreachable } from './http'
import type { ServerClock } from './server-clock'
import { snapshotIn } from './snapshot-answer'

/** What the feed tells its owner. */
export interface FeedSink {
  /** The server confirmed what is held. */
  confirmed(): void
  /** `sure`: the server also knows that there is nothing newer. */
  replaced(snapshot: Snapshot, sure: boolean): void
  /** False: the delta does not fit what is held. */
  changed(delta: SnapshotDelta, sure: boolean): boolean
  failed(error: SluiceError): void
}

const fetchTimeoutMs = 10_000
const helloTimeoutMs = 5_000
/** Two and a half heartbeats. */
const silenceMs = 25_000
const backoffMs = { first: 200, most: 10_000 }
const defaultLeadMs = 2_000
/** Refused versions that are remembered; each goes along with every question. */
const maxRefused = 16

interface Hello {
  readonly version: string
  readonly resumed: boolean
  /** Absent: a server before this was told. */
  readonly confirmed?: boolean
}

/**
 * Keeps the held snapshot current: server-sent events, resumed by version without a gap; while they fail, polling
 * with an ETag at random intervals of at most the lead, so that forward entries still arrive before they count.
 */
export class Feed {
  private readonly http: Http
  private readonly held: HeldSnapshot
  private readonly environment: string
  private readonly clock: ServerClock
  private readonly sink: FeedSink
  private readonly ending = new AbortController()
  private streaming = false
  private openStream: AbortController | undefined
  /** What the open stream last said to be the newest: a heartbeat speaks of this and of nothing else. */
  private streamed: string | undefined
  /** Whether the server of the open stream knew that there is nothing newer. */
  private streamIsSure = false
  /** Versions that were told as older than what is held. */
  private readonly refused = new Set<string>()
  private failing = false
  private refreshing: Promise<void> | undefined
  private ended: Promise<unknown> = Promise.resolve()

  constructor(parts: { http: Http; held: HeldSnapshot; environment: string; clock: ServerClock; sink: FeedSink }) {
    this.http = parts.http
    this.held = parts.held
    this.environment = parts.environment
    this.clock = parts.clock
    this.sink = parts.sink
  }

  start(): void {
    this.ended = Promise.all([this.stream(), this.poll()])
  }

  async close(): Promise<void> {
    this.ending.abort()
    await this.ended
    await this.refreshing?.catch(() => undefined)
  }

  /** Asks once whether there is anything newer; concurrent callers share the question. */
  refresh(timeoutMs = fetchTimeoutMs): Promise<void> {
    this.refreshing ??= this.refreshOnce(timeoutMs).finally(() => {
      this.refreshing = undefined
    })
    return this.refreshing
  }

  /** An answer that was asked for before this moment may not know what happened just now. */
  async refreshAfresh(): Promise<void> {
    await this.refreshing?.catch(() => undefined)
    await this.refresh()
  }

  /** This machine slept: its connection may be dead without a word, and what waited on it is no news. */
  async woke(): Promise<void> {
    this.openStream?.abort()
    await this.refreshAfresh()
  }

  private async refreshOnce(timeoutMs: number): Promise<void> {
    const { version } = this.held
    const known = [...(version === undefined ? [] : [version]), ...this.refused].map((one) => `"${one}"`)
    const signal = AbortSignal.any([this.ending.signal, AbortSignal.timeout(timeoutMs)])
    const { jumps } = this.clock
    const response = await this.http.call(`/v1/snapshot?environment=${encodeURIComponent(this.environment)}`, {
      headers: known.length === 0 ? {} : { 'if-none-match': known.join(', ') },
      signal,
    })
    // An answer that this machine slept over says what was the newest then.
    const isSure = response.headers.get('sluice-confirmed') !== '0' && !this.sleptSince(jumps)
    if (response.status === 304) {
      const named = versionIn(response.headers.get('etag')) ?? version
      if (this.held.version === version && named === version) this.heard(isSure)
      return
    }
    let answer: unknown
    try {
      answer = await response.json()
    } catch (error) {
      throw unreachable(response.url, error)
    }
    const snapshot = snapshotIn(answer, this.environment, response.url)
    // The stream may have brought something newer than this answer meanwhile: what it brought stands.
    if (this.held.version === version) this.takeWhole(snapshot, isSure)
  }

  private async poll(): Promise<void> {
    const { signal } = this.ending
    while (!signal.aborted) {
      const leadMs = this.held.compiled?.leadMs ?? defaultLeadMs
      await pause(leadMs * (0.25 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
      // Also where nobody else asks for the time: it is noticed here that this machine slept.
      this.clock.elapsed()
      if (this.streaming || signal.aborted) continue
      await this.refresh().catch((error) => this.fail(error))
    }
  }

  private async stream(): Promise<void> {
    const { signal } = this.ending
    let wait = backoffMs.first
    while (!signal.aborted) {
      try {
        await this.streamOnce(() => {
          wait = backoffMs.first
        })
      } catch (error) {
        this.fail(error)
      }
      this.streaming = false
      if (signal.aborted) return
      await pause(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
      wait = Math.min(wait * 2, backoffMs.most)
    }
  }

  private async streamOnce(onHello: () => void): Promise<void> {
    const silence = new AbortController()
    this.openStream = silence
    const { jumps } = this.clock
    let watchdog: NodeJS.Timeout | undefined
    const alive = (ms: number) => {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => silence.abort(), ms)
      watchdog.unref()
    }
    alive(helloTimeoutMs)
    this.streamed = undefined
    const from = this.held.version === undefined ? '' : `&from=${encodeURIComponent(this.held.version)}`
    const path = `/v1/snapshot/events?environment=${encodeURIComponent(this.environment)}${from}`
    try {
      const signal = AbortSignal.any([this.ending.signal, silence.signal])
      const headers = { accept: 'text/event-stream' }
      const response = await this.http.call(path, { headers, signal, isBackground: true })
      const events: EventSourceMessage[] = []
      // In one row with the events: a heartbeat speaks of what was told before it.
      const onComment = () => events.push({ id: undefined, event: heartbeat, data: '' })
      const parser = createParser({ onEvent: (event) => events.push(event), onComment })
      const decoder = new TextDecoder()
      for await (const bytes of response.body ?? []) {
        // What waited here while this machine slept is no news: the next stream goes on from what is held.
        if (this.sleptSince(jumps)) return
        alive(silenceMs)
        parser.feed(decoder.decode(bytes, { stream: true }))
        for (const event of events.splice(0)) {
          if (event.event === 'hello') onHello()
          await this.take(event)
        }
      }
    } catch (error) {
      if (!this.ending.signal.aborted && !this.sleptSince(jumps))
        throw error instanceof SluiceError ? error : unreachable(path, error)
    } finally {
      clearTimeout(watchdog)
    }
  }

  private sleptSince(jumps: number): boolean {
    this.clock.elapsed()
    return this.clock.jumps !== jumps
  }

  private async take(event: EventSourceMessage): Promise<void> {
    switch (event.event) {
      case 'hello': {
        const { version, resumed, confirmed } = JSON.parse(event.data) as Hello
        this.streaming = true
        this.streamIsSure = confirmed !== false
        this.streamed = version
        if (version === this.held.version) this.heard(this.streamIsSure)
        else if (!resumed) await this.refreshAfresh()
        return
      }
      case 'delta': {
        const delta = JSON.parse(event.data) as SnapshotDelta
        this.streamed = delta.to
        if (delta.to === this.held.version) this.heard(this.streamIsSure)
        else if (!this.sink.changed(delta, this.streamIsSure)) await this.refreshAfresh()
        else this.refused.clear()
        return
      }
      case heartbeat:
        this.streamIsSure = true
        if (this.streamed === this.held.version) this.heard(true)
        else await this.refreshAfresh()
        return
      default:
        return
    }
  }

  /** Another server may be behind the one that was asked before; time never goes back, unless it is another ledger. */
  private takeWhole(snapshot: Snapshot, sure: boolean): void {
    const isHeld = snapshot.version === this.held.version
    if (!isHeld && this.held.standingOf(snapshot) === 'older') {
      this.refuse(snapshot.version)
      return
    }
    if (!isHeld) {
      this.sink.replaced(snapshot, sure)
      this.refused.clear()
    }
    this.heard(sure)
  }

  /** Told once a version; nothing is confirmed, so that what is held becomes stale if the server stays with it. */
  private refuse(version: string): void {
    if (this.refused.has(version)) return
    if (this.refused.size >= maxRefused) this.refused.clear()
    this.refused.add(version)
    const details = { offered: version, held: this.held.version }
    this.sink.failed(new SluiceError('snapshot_older', olderText, details))
  }

  /** A server that is not sure answers all the same; the age tells that nothing was confirmed. */
  private heard(sure: boolean): void {
    this.failing = false
    if (sure) this.sink.confirmed()
  }

  /** The first failure of a row is told; the age of the snapshot tells the rest. */
  private fail(error: unknown): void {
    if (this.ending.signal.aborted || this.failing) return
    this.failing = true
    this.sink.failed(error instanceof SluiceError ? error : unreachable(this.environment, error))
  }
}

/** What a heartbeat is called among the events; the server sends it as a comment. */
const heartbeat = 'beat'
const olderText =
  'The server offers a snapshot whose ledgers end before those that this application holds; what it holds is kept, and becomes stale.'

/** Proxies that compress make a tag weak. */
const versionIn = (etag: string | null): string | undefined => /^(?:W\/)?"(.+)"$/.exec(etag ?? '')?.[1]
