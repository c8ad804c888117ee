import { reservePort } from '../../src/embedded/ports'
import type { Sluice } from '../../src/sdk'
import { Http } from '../../src/sdk/http'
import { killChangeStreams } from '../support/change-streams'
import { served, type TrafficGround, task, trafficGround } from '../support/traffic'
import { until } from '../support/until'

const applications = 12
/** Of the default lead, the shortest pause between two polls of one application. */
const pollMs = 500

describe('many applications while delivery breaks', () => {
  let ground: TrafficGround
  beforeEach(async () => {
    ground = await trafficGround()
  })
  afterEach(() => ground.end())

  /** Every entry up to this one can be resolved by, so none was skipped. */
  function expectEveryEntry(sluice: Sluice, head: number): void {
    for (let seq = 1; seq <= head; seq++) {
      const serving = sluice.resolve(task, { tenant: 'acme', conversation: 'c-1', binding: `b1.${seq}.0` })
      expect(serving).toMatchObject({ seq })
    }
    expect(() => sluice.resolve(task, { tenant: 'acme', conversation: 'c', binding: `b1.${head + 1}.0` })).toThrow()
  }

  test('the change stream is cut and the server restarted: each ends at the head, nothing is skipped, nobody storms', async () => {
    await ground.settle(0)
    // None that somebody else may be given while nobody listens on it.
    const { port, release } = await reservePort(undefined)
    const server = await ground.serve(port)
    const clients = await Promise.all(Array.from({ length: applications }, () => ground.connect(server.url)))
    let killed = 0
    await until('the server follows a change stream', async () => {
      killed += await killChangeStreams(ground.store.database)
      return killed > 0
    })
    await ground.step({ incumbent: 0, candidate: 1 })
    await ground.rollback('release-1')
    await Promise.all(clients.map((client) => served(client, 3)))
    const calls = jest.spyOn(Http.prototype, 'call')
    const asked = (path: string) => calls.mock.calls.filter(([given]) => given.startsWith(`${path}?`)).length
    try {
      const from = performance.now()
      await server.close()
      await ground.step({ incumbent: 0, candidate: 2, releaseId: 'release-2' })
      await ground.settle(2)
      await ground.serve(port)
      release()
      await Promise.all(clients.map((client) => served(client, 5)))
      await until('every application streams again', async () => asked('/v1/snapshot/events') >= applications)
      const most = applications * ((performance.now() - from) / pollMs + 2)
      expect(asked('/v1/snapshot')).toBeLessThanOrEqual(most)
      expect(asked('/v1/snapshot/events')).toBeLessThanOrEqual(most)
    } finally {
      calls.mockRestore()
    }
    await ground.step({ incumbent: 2, candidate: 3, releaseId: 'release-3' })
    await Promise.all(clients.map((client) => served(client, 6)))
    for (const client of clients) expectEveryEntry(client, 6)
    expect(new Set(clients.map(({ snapshot }) => snapshot.version)).size).toBe(1)
  })
})
