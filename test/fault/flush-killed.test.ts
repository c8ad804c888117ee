import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandStartedEvent } from 'mongodb'
import { childEnvironment, readConfig } from '../../src/config'
import { type Ground, startEmbedded } from '../../src/embedded/embedded'
import type { Sluice } from '../../src/sdk'
import { groundAddress } from '../support/ground'
import { environment, type TestServer, type TrafficGround, task, trafficGround } from '../support/traffic'
import { until } from '../support/until'

/** Which of the writes of a flush is under way when MongoDB dies. */
const killedAtWrite = [1, 2, 5, 9]
const conversations = 400
const writes = new Set(['insert', 'update', 'delete', 'findAndModify', 'bulkWrite', 'commitTransaction'])

describe('MongoDB is killed while an application tells what it served', () => {
  let folder: string
  let servers: Ground
  let ground: TrafficGround
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-flush-'))
    const own = { MONGODB_URI: undefined, TEMPORAL_ADDRESS: groundAddress('TEMPORAL_ADDRESS'), SLUICE_FOLDER: folder }
    servers = await startEmbedded({ name: 'flush', config: readConfig(childEnvironment(own)), fresh: true })
    ground = await trafficGround(
      `${servers.mongodbUri}${servers.mongodbUri.includes('?') ? '&' : '/?'}monitorCommands=true`,
    )
  })
  afterAll(async () => {
    await ground.end()
    await servers.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** One request of each conversation; every third fails. */
  function serve(sluice: Sluice, round: number, startedAt: number): void {
    for (let index = 0; index < conversations; index++) {
      const serving = sluice.resolve(task, { tenant: 'acme', conversation: `c-${round}-${index}`, startedAt })
      if (serving.skip !== undefined) throw new Error(serving.skip)
      const outcome = index % 3 === 0 ? 'error' : 'ok'
      sluice.report(serving, { outcome, latencyMs: 10, costUsd: 0.01, requestId: `r-${round}-${index}` })
    }
  }

  /** Kills MongoDB as soon as this server begins its write of this number. */
  async function killedAt(number: number, { store: { database } }: TestServer): Promise<void> {
    let seen = 0
    let reached: (() => void) | undefined
    const begun = new Promise<void>((resolve) => {
      reached = resolve
    })
    const onCommand = ({ commandName }: CommandStartedEvent): void => {
      if (writes.has(commandName) && ++seen === number) reached?.()
    }
    database.client.on('commandStarted', onCommand)
    await begun
    database.client.off('commandStarted', onCommand)
    await servers.mongo?.kill()
  }

  test('everything arrives, and once', async () => {
    await ground.settle(0)
    const server = await ground.serve()
    await ground.step({ incumbent: 0, candidate: 1 })
    const sluice = await ground.connect(server.url, { flushIntervalMs: 3_600_000, onError: () => undefined })
    const startedAt = (await ground.store.database.now()) + 1
    const flush = () =>
      sluice.flush().then(
        () => true,
        () => false,
      )
    for (const [round, number] of killedAtWrite.entries()) {
      serve(sluice, round, startedAt)
      const killed = killedAt(number, server)
      const flushed = flush()
      await killed
      await servers.mongo?.restart()
      await flushed
      await until('the store takes it', flush)
    }
    const rounds = killedAtWrite.length
    const [stratum, ...others] = await ground.store.telemetry.read.strataOf({
      ...{ environment, task, releaseId: 'release-1' },
    })
    expect(others).toEqual([])
    const arms = [stratum?.candidate, stratum?.incumbent]
    const sum = (of: (arm: NonNullable<(typeof arms)[number]>) => number) =>
      arms.reduce((total, arm) => total + (arm ? of(arm) : 0), 0)
    expect(sum(({ units }) => units)).toBe(rounds * conversations)
    expect(sum(({ requests }) => requests)).toBe(rounds * conversations)
    expect(sum(({ events }) => events.error)).toBe(rounds * Math.ceil(conversations / 3))
    expect(sum(({ costUsd }) => costUsd)).toBeCloseTo(rounds * conversations * 0.01, 6)
    for (const [round, index] of [0, conversations - 1].flatMap((at) => killedAtWrite.map((_, of) => [of, at]))) {
      const logged = await ground.store.telemetry.requests.ofConversation('acme', `c-${round}-${index}`)
      expect(logged.map(({ requestId }) => requestId)).toEqual([`r-${round}-${index}`])
    }
    expect(sluice.dropped).toBe(0)
  })
})
