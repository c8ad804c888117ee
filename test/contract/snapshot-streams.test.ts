import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { SnapshotHub } from '../../src/api/snapshot-hub'
import { SnapshotStreams } from '../../src/api/snapshot-streams'
import type { SnapshotDelta } from '../../src/domain/snapshot'
import type { Digest } from '../../src/domain/version'
import { environment, type TrafficGround, trafficGround } from '../support/traffic'
import { until } from '../support/until'

const key: Digest = `sha256:${'0'.repeat(64)}`
const revokedOf = async () => new Set<Digest>()
let ground: TrafficGround
let hub: SnapshotHub

beforeAll(async () => {
  ground = await trafficGround()
  hub = new SnapshotHub(ground.store)
})
afterAll(async () => {
  await hub.close()
  await ground.end()
})

describe('streams of snapshots', () => {
  it('cut a reader off that does not keep up, and hold back nobody else', async () => {
    await ground.settle(0)
    const streams = new SnapshotStreams(hub, { revokedOf, maxBufferedBytes: 64 * 1024 })
    const server = createServer((request, response) => {
      void streams.open(key, environment, undefined, 0).then((stream) => stream.pipe(request, response))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
    reader.on('error', () => undefined)
    reader.write('GET / HTTP/1.1\r\nhost: sluice\r\n\r\n')
    await once(reader, 'readable')
    const other = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const seen: string[] = []
    const reading = (async () => {
      const decoder = new TextDecoder()
      let text = ''
      for await (const bytes of other.body ?? []) {
        text += decoder.decode(bytes as Uint8Array, { stream: true })
        const lines = text.split('\n')
        text = lines.pop() ?? ''
        seen.push(...lines.filter((line) => line.startsWith('id: ')))
      }
    })()
    let open = await connections(server)
    expect(open).toBe(2)
    const versions: string[] = []
    // Each change brings a composite of half a megabyte, which the reader never takes.
    for (let change = 1; change <= maxChanges && open > 1; change++) {
      const told = new Promise<SnapshotDelta>((resolve) => void hub.attach(environment, undefined, resolve))
      await ground.settle(change, 'x'.repeat(400_000))
      versions.push(`id: ${(await told).to}`)
      await until('the other reader has it too', async () => seen.length === versions.length)
      open = await connections(server)
    }
    expect(open).toBe(1)
    expect(seen).toEqual(versions)
    reader.destroy()
    streams.close()
    await reading
    await new Promise((resolve) => server.close(resolve))
  })

  it('send one to the whole that missed more than may wait for it, instead of cutting it off at every return', async () => {
    const known = (await hub.current(environment)).version
    for (const change of [maxChanges + 1, maxChanges + 2]) {
      const told = new Promise<SnapshotDelta>((resolve) => void hub.attach(environment, undefined, resolve))
      await ground.settle(change, 'x'.repeat(400_000))
      await told
    }
    const { version } = await hub.current(environment)
    const streams = new SnapshotStreams(hub, { revokedOf, maxBufferedBytes: 512 * 1024 })
    const server = createServer((request, response) => {
      void streams.open(key, environment, known, 0).then((stream) => stream.pipe(request, response))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const { value } = (await answer.body?.getReader().read()) ?? {}
    const hello = JSON.parse(/^data: (.*)$/m.exec(new TextDecoder().decode(value))?.[1] ?? '')
    expect(hello).toMatchObject({ version, resumed: false })
    expect(streams.size).toBe(1)
    streams.close()
    await new Promise((resolve) => server.close(resolve))
  })

  it('forget a reader that went away before its stream was ready', async () => {
    const streams = new SnapshotStreams(hub, { revokedOf })
    const piped = new Promise<void>((resolve) => {
      const server = createServer(async (request, response) => {
        await once(response, 'close')
        const stream = await streams.open(key, environment, undefined, 0)
        stream.pipe(request, response)
        server.close()
        resolve()
      })
      server.listen(0, '127.0.0.1', () => {
        const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
        reader.write('GET / HTTP/1.1\r\nhost: sluice\r\n\r\n', () => setImmediate(() => reader.destroy()))
      })
    })
    await piped
    expect(streams.size).toBe(0)
    streams.close()
  })
})

const maxChanges = 100

const connections = (server: ReturnType<typeof createServer>): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))))
