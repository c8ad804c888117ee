import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServedComposite } from '../../src/domain/composite'
import type { LaneEntry, Snapshot } from '../../src/domain/snapshot'
import type { Digest } from '../../src/domain/version'

const beatMs = 20

/** A server as the SDK sees it, that says what a test wants it to say; a real one would have to be brought into each state. */
export interface SnapshotServer {
  readonly url: string
  /** Beats that were sent. */
  readonly beats: number
  /** How often the snapshot was asked for. */
  readonly questions: number
  /** Snapshots that were sent as a whole. */
  readonly wholes: number
  /** From now on offered; an open stream ends, so that its reader hears of it. */
  offer(snapshot: Snapshot): void
  close(): Promise<void>
}

export async function snapshotServer(first: Snapshot): Promise<SnapshotServer> {
  let snapshot = first
  const told = { beats: 0, questions: 0, wholes: 0 }
  const streams = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    response.setHeader('sluice-time', String(Date.now()))
    const { pathname } = new URL(request.url ?? '', 'http://localhost')
    if (pathname === '/v1/snapshot/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const hello = { version: snapshot.version, resumed: false, serverTime: Date.now() }
      response.write(`event: hello\ndata: ${JSON.stringify(hello)}\n\n`)
      streams.add(response)
      response.on('close', () => streams.delete(response))
    } else if (pathname === '/v1/snapshot') {
      told.questions++
      response.setHeader('etag', `"${snapshot.version}"`)
      if (request.headers['if-none-match']?.includes(`"${snapshot.version}"`)) response.writeHead(304).end()
      else {
        told.wholes++
        response.end(JSON.stringify(snapshot))
      }
    } else response.end(JSON.stringify({ refused: [], refusedCount: 0 }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const timer = setInterval(() => {
    for (const stream of streams) stream.write(': beat\n\n')
    if (streams.size > 0) told.beats++
  }, beatMs)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get beats() {
      return told.beats
    },
    get questions() {
      return told.questions
    },
    get wholes() {
      return told.wholes
    },
    offer(next) {
      snapshot = next
      for (const stream of streams) stream.end()
    },
    async close() {
      clearInterval(timer)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const laneTask = 'csat'

/** A snapshot of one lane whose entries settle these composites, one after the other. */
export function laneSnapshot(
  version: string,
  entries: readonly (Pick<LaneEntry, 'at'> & { serves: Digest })[],
): Snapshot {
  const composite = (id: Digest): ServedComposite => ({ id, roles: {}, contents: {} })
  const lane = entries.map(({ at, serves }, index): LaneEntry => {
    return { seq: index + 1, at, incumbent: serves, exposure: [], salt: 'settle' }
  })
  return {
    ...{ specVersion: 1, environment: 'production', version, leadMs: 200, tenants: {} },
    lanes: { [laneTask]: { task: laneTask, entries: lane } },
    composites: Object.fromEntries(entries.map(({ serves }) => [serves, composite(serves)])),
  }
}
