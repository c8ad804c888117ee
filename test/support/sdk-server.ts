import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CapturedContent } from '../../src/domain/capture'
import type { Snapshot } from '../../src/domain/snapshot'
import type { TelemetryBatch } from '../../src/domain/telemetry'
import { type ConnectOptions, connect, type Serving, type Sluice, type SluiceError } from '../../src/sdk'

const environment = 'production'
const task = 'csat'
const composite = `sha256:${'b'.repeat(64)}` as const
const anHourMs = 3_600_000
/** A server that answers late, as on a busy machine, is none that is away. */
const connectTimeoutMs = 60_000

/** One lane, served by one composite that consists of a prompt. */
export const plainSnapshot = (capture?: { readonly basisPoints: number }): Snapshot => ({
  specVersion: 1,
  environment,
  version: 'v',
  leadMs: anHourMs,
  lanes: {
    [task]: {
      task,
      entries: [{ seq: 1, at: 1, incumbent: composite, exposure: [], salt: 'r' }],
      ...(capture ? { capture } : {}),
    },
  },
  tenants: {},
  composites: { [composite]: { id: composite, roles: {}, contents: {} } },
})

export interface Posted {
  readonly path: string
  readonly size: number
  /** Of reports or of contents. */
  readonly body: Partial<TelemetryBatch> & { readonly captures?: readonly CapturedContent[] }
}

export interface SdkServer {
  readonly url: string
  readonly posted: readonly Posted[]
  /** How many streams were opened. */
  readonly streams: number
  end(): Promise<void>
}

/** True: the answer is given, or will be. */
type Answering = (posted: Posted, response: ServerResponse) => boolean

/**
 * What stands between an application and the server, or is not the server at all: serves one snapshot, a stream that says
 * hello, and takes every report that `answering` does not answer.
 */
export async function sdkServer(snapshot: unknown, answering: Answering = () => false): Promise<SdkServer> {
  const posted: Posted[] = []
  let streams = 0
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    if (path.startsWith('/v1/snapshot?')) return void response.end(JSON.stringify(snapshot))
    if (path.startsWith('/v1/snapshot/events')) {
      streams += 1
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return void response.write('event: hello\ndata: {"version":"v","resumed":true}\n\n')
    }
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    request.on('end', () => {
      const post = { path, size: Buffer.byteLength(text), body: JSON.parse(text) }
      posted.push(post)
      if (!answering(post, response)) response.end('{"accepted":{},"refused":[],"refusedCount":0}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A test that fails before its end holds nobody up.
  server.unref()
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posted,
    get streams() {
      return streams
    },
    async end() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface Connected {
  readonly client: Sluice
  readonly errors: readonly SluiceError[]
  serving(conversation: string): Serving
}

/** A client that sends only when it is told to, unless `options` say otherwise. */
export async function connectTo(url: string, options: Partial<ConnectOptions> = {}): Promise<Connected> {
  const errors: SluiceError[] = []
  const onError = (error: SluiceError) => errors.push(error)
  const fixed = { url, apiKey: 'any', environment, flushIntervalMs: anHourMs, connectTimeoutMs, onError }
  const client = await connect({ ...fixed, ...options })
  const serving = (conversation: string): Serving => {
    const result = client.resolve(task, { tenant: 'acme', conversation, startedAt: Date.now() })
    if (result.skip !== undefined) throw new Error(result.skip)
    return result
  }
  return { client, errors, serving }
}
