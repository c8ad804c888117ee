import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SnapshotDelta } from '../domain/snapshot'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { SnapshotHub } from './snapshot-hub'

const heartbeatMs = 10_000
const maxClients = 10_000
/** What may wait for a slow reader before it is cut off; it comes back and catches up by version. */
const defaultMaxBufferedBytes = 8 * 1024 * 1024
const maxEarlyEvents = 1_000

interface StreamsOptions {
  readonly maxBufferedBytes?: number
  /** Those of these API keys that are revoked. */
  readonly revokedOf: (keys: Iterable<Digest>) => Promise<ReadonlySet<Digest>>
}

/** A stream that is ready to be written to its client. */
export interface SnapshotStream {
  pipe(request: IncomingMessage, response: ServerResponse): void
}

/**
 * Server-sent events of snapshots (WHATWG HTML, 9.2): `hello`, then `delta`s. Where `hello` says that the stream does not
 * lead on from the client's version, it fetches the whole; `confirmed: false` says that there may be something
 * newer. An event is one piece of memory, however many clients get it.
 */
export class SnapshotStreams {
  /** Each with the API key that opened it. */
  private readonly clients = new Map<ServerResponse, Digest>()
  private readonly hub: SnapshotHub
  private readonly maxBufferedBytes: number
  private readonly revokedOf: StreamsOptions['revokedOf']
  private readonly timer: NodeJS.Timeout

  constructor(hub: SnapshotHub, { maxBufferedBytes = defaultMaxBufferedBytes, revokedOf }: StreamsOptions) {
    this.hub = hub
    this.maxBufferedBytes = maxBufferedBytes
    this.revokedOf = revokedOf
    this.timer = setInterval(() => this.beat(), heartbeatMs)
    this.timer.unref()
  }

  /** Applications that are streamed to. */
  get size(): number {
    return this.clients.size
  }

  /** `serverTime` is ms since the epoch by the store's clock. */
  async open(key: Digest, environment: string, from: string | undefined, serverTime: number): Promise<SnapshotStream> {
    if (this.clients.size >= maxClients) {
      throw new SluiceError('rate_limited', 'This server streams to as many applications as it may. Poll instead.')
    }
    let response: ServerResponse | undefined
    const early: Buffer[] = []
    const attached = await this.hub.attach(environment, from, (delta) => {
      const event = eventOf(delta)
      if (response) this.send(response, event)
      else if (early.push(event) > maxEarlyEvents) attached.detach()
    })
    const { version, detach } = attached
    const { confirmed } = this.hub
    const missed = this.fitting(attached.missed?.map(eventOf))
    const hello = { version, resumed: missed !== undefined, confirmed, serverTime: Math.round(serverTime) }
    const rest = missed ?? []
    return {
      pipe: (request, client) => {
        // Who went away while the stream was made ready is told of no more: its `close` is over.
        if (client.destroyed || client.closed) return detach()
        response = client
        this.clients.set(client, key)
        const end = () => {
          detach()
          this.clients.delete(client)
        }
        client.once('close', end)
        client.once('error', end)
        request.socket.setNoDelay(true)
        client.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
          // The connection carries nothing else, and must not hold up a server that ends.
          connection: 'close',
          'sluice-time': String(Math.round(serverTime)),
        })
        for (const event of [eventText('hello', undefined, hello), ...rest, ...early]) this.send(client, event)
      },
    }
  }

  close(): void {
    clearInterval(this.timer)
    for (const client of this.clients.keys()) client.end()
  }

  /**
   * More than may wait for a reader would cut it off at every return, so it fetches the whole instead. Half, since what
   * comes in the meantime has to wait as well.
   */
  private fitting(missed: readonly Buffer[] | undefined): readonly Buffer[] | undefined {
    const size = missed?.reduce((sum, { length }) => sum + length, 0) ?? 0
    return size > this.maxBufferedBytes / 2 ? undefined : missed
  }

  /** Silent while the database is out of reach: clients then know that what they have may be old. */
  private beat(): void {
    if (!this.hub.confirmed) return
    for (const client of this.clients.keys()) this.send(client, beat)
    // Where the database does not answer, the next beat asks again.
    this.endRevoked().catch(() => undefined)
  }

  private async endRevoked(): Promise<void> {
    if (this.clients.size === 0) return
    const revoked = await this.revokedOf(this.clients.values())
    for (const [client, key] of this.clients) if (revoked.has(key)) client.destroy()
  }

  private send(client: ServerResponse, event: Buffer): void {
    if (client.writableLength > 0 && client.writableLength + event.length > this.maxBufferedBytes) client.destroy()
    else client.write(event)
  }
}

const beat = Buffer.from(': beat\n\n')

/** The data is JSON without line breaks, so one `data` line carries it. */
const eventText = (event: string, id: string | undefined, data: unknown): Buffer =>
  Buffer.from(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`)

const events = new WeakMap<SnapshotDelta, Buffer>()

function eventOf(delta: SnapshotDelta): Buffer {
  const known = events.get(delta)
  if (known !== undefined) return known
  const event = eventText('delta', delta.to, delta)
  events.set(delta, event)
  return event
}
