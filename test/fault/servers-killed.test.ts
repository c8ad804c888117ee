import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { childEnvironment, readConfig } from '../../src/config'
import type { ReleaseState } from '../../src/domain/release'
import { type Ground, startEmbedded } from '../../src/embedded/embedded'
import { SluiceError } from '../../src/errors'
import { connect } from '../../src/sdk'
import type { ReleaseRecord } from '../../src/store/releases'
import { runIn } from '../support/cli-ground'
import { type FaultGround, type FaultTask, faultGround, isEnded } from '../support/fault-ground'
import { quickPolicy } from '../support/release-ground'
import { sendTraffic } from '../support/release-traffic'
import { type ServerProcess, startServerProcess } from '../support/server-process'
import { until } from '../support/until'

describe('servers are killed while a release runs', () => {
  let folder: string
  let servers: Ground
  let ground: FaultGround
  let server: ServerProcess
  let task: FaultTask

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'))
    const environment = { MONGODB_URI: undefined, TEMPORAL_ADDRESS: undefined, SLUICE_FOLDER: folder }
    servers = await startEmbedded({ name: 'faults', config: readConfig(childEnvironment(environment)), fresh: true })
    ground = await faultGround(servers)
    const watched = {
      ...quickPolicy,
      pilot: undefined,
      steps: [{ basisPoints: 5_000, bakeMs: 3_600_000, minimumSample: 10 }],
    }
    const content = JSON.parse(JSON.stringify(watched))
    await ground.store.catalog.register({
      kind: 'policy',
      name: 'watched',
      semver: '1.0.0',
      content,
      author: 'ann',
      description: 'for a test',
    })
    server = await startServerProcess(servers, ground.store.database.db.databaseName)
  })
  afterAll(async () => {
    await server.kill()
    await ground.end()
    await servers.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    task = await ground.task()
  })
  afterEach(async () => {
    await task.end()
    // A test that failed half-way must not leave the next one without servers.
    if (!servers.temporal?.process.running()) await servers.temporal?.restart()
    if (!servers.mongo?.process.running()) await servers.mongo?.restart()
  })

  const lane = () => ground.store.ledger.lane('production', task.task)
  const ticks = async (id: string): Promise<number> => (await ground.store.releases.lastTick(id))?.tick ?? 0

  /** A release of prompt 1.1.0 beside the settled 1.0.0, baking at half of the traffic. */
  async function baking(): Promise<ReleaseRecord> {
    task.startWorker()
    const first = await task.start('1.0.0')
    expect((await task.reaches(first.id, isEnded)).phase).toBe('done')
    const { id } = await task.start('1.1.0', 'watched@1.0.0')
    return task.reaches(id, (record) => record.step === 'rollout-1')
  }

  async function spike(record: ReleaseRecord): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await sendTraffic(ground.store, {
        task: task.task,
        conversations: 100,
        fails: (composite) => composite === record.candidate,
      })
    }
  }

  async function withdrawn(id: string, by: 'guardrail' | 'reconciler'): Promise<void> {
    await task.reaches(id, (record) => record.phase === 'rolling_back' || isEnded(record))
    expect(await ground.store.releases.lastDecision(id, 'rollback')).toMatchObject({ by })
    const after = await lane()
    expect(after.candidate).toBeUndefined()
    expect(after.settled).toEqual([after.incumbent])
    await ground.store.ledger.verify('production', task.task)
  }

  test('Temporal is down while errors spike: the safety clock withdraws at its next tick', async () => {
    const record = await baking()
    await servers.temporal?.kill()
    await spike(record)
    const before = await ticks(record.id)
    await withdrawn(record.id, 'guardrail')
    expect((await ticks(record.id)) - before).toBeLessThanOrEqual(2)
    await servers.temporal?.restart()
    expect((await task.reaches(record.id, isEnded)).phase).toBe('rolled_back')
  })

  test('Temporal and the worker are down: the reconciler withdraws once the safety clock stood still', async () => {
    const record = await baking()
    await servers.temporal?.kill()
    await task.killWorker()
    await spike(record)
    await withdrawn(record.id, 'reconciler')
    await servers.temporal?.restart()
    task.startWorker()
    expect((await task.reaches(record.id, isEnded)).phase).toBe('rolled_back')
    // The safety clock has to stand still for a minute first, which is most of the time that other tests have.
  }, 300_000)

  test('the workflow is terminated with the worker dead: the reconciler withdraws and closes it', async () => {
    const record = await baking()
    await task.killWorker()
    const connection = await Connection.connect({ address: servers.temporalAddress })
    await new Client({ connection }).workflow.getHandle(record.workflowId).terminate('by hand')
    await connection.close()
    const ended = await task.reaches(record.id, isEnded)
    expect(ended).toMatchObject({ phase: 'rolled_back', reason: 'its workflow is terminated' })
    expect((await lane()).candidate).toBeUndefined()
  })

  /** The worker comes back with workflow code on which the running history does not replay. */
  async function breakDeploy(record: ReleaseRecord): Promise<void> {
    await task.killWorker()
    const broken = join(folder, 'broken-bundle.js')
    const bundle = readFileSync(process.env.SLUICE_WORKFLOW_BUNDLE as string, 'utf8')
    writeFileSync(broken, bundle.replaceAll('planRelease', 'makePlan'))
    task.startWorker({ bundle: broken })
    await untilFailing(record)
  }

  test('a deploy breaks determinism: without harm doctor names it, and the mended deploy goes on', async () => {
    const record = await baking()
    await breakDeploy(record)
    const environment = {
      MONGODB_URI: servers.mongodbUri,
      TEMPORAL_ADDRESS: servers.temporalAddress,
      SLUICE_DATABASE: ground.store.database.db.databaseName,
      SLUICE_URL: server.url,
    }
    const { code, out } = await runIn(folder, environment, ['doctor'])
    expect(code).toBe(1)
    expect(out).toMatch(new RegExp(`${task.task}[^\\n]*failed \\d+ times`))
    expect((await lane()).candidate).toBe(record.candidate)
    await task.killWorker()
    task.startWorker()
    await task.orchestrator.signal(record, 'resume', { by: 'ann', reason: 'the deploy is mended' })
    await until('the release bakes again', async () => (await answered(record))?.baking === true)
    await sendTraffic(ground.store, { task: task.task, conversations: 100, fails: () => false })
    await task.orchestrator.signal(record, 'advance', { by: 'ann', reason: 'seen enough' })
    expect((await task.reaches(record.id, isEnded)).phase).toBe('done')
  })

  test('a deploy breaks determinism: harm is ended at the next tick, and the mended deploy ends the release', async () => {
    const record = await baking()
    await breakDeploy(record)
    await spike(record)
    const before = await ticks(record.id)
    await withdrawn(record.id, 'guardrail')
    expect((await ticks(record.id)) - before).toBeLessThanOrEqual(2)
    await task.killWorker()
    task.startWorker()
    expect((await task.reaches(record.id, isEnded)).phase).toBe('rolled_back')
  })

  /** Undefined while no worker can answer. */
  async function answered(record: ReleaseRecord): Promise<ReleaseState | undefined> {
    try {
      return await task.orchestrator.status(record)
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'temporal_unavailable') return undefined
      throw error
    }
  }

  async function untilFailing(record: ReleaseRecord): Promise<void> {
    await task.orchestrator.signal(record, 'pause', { by: 'ann', reason: 'wakes the workflow' })
    await until('the workflow fails on the broken bundle', async () => {
      const health = await task.orchestrator.health(record)
      return health.kind === 'running' && health.failingTaskAttempts >= 3
    })
  }

  test('MongoDB is killed: applications serve what they know, and the release goes on when it is back', async () => {
    const record = await baking()
    const apiKey = await ground.store.keys.create('app', 'app')
    const sluice = await connect({ url: server.url, apiKey, environment: 'production', onError: () => undefined })
    const serve = () => {
      const serving = sluice.resolve(task.task, { tenant: 'acme', conversation: 'c-1', startedAt: Date.now() })
      return serving.skip ?? serving.composite.id
    }
    const before = serve()
    await servers.mongo?.kill()
    expect(before).toMatch(/^sha256:/)
    expect(serve()).toBe(before)
    await servers.mongo?.restart()
    await sendTraffic(ground.store, { task: task.task, conversations: 100, fails: () => false })
    await until('the release bakes', async () => (await answered(record))?.baking === true)
    await task.orchestrator.command(record, 'advance', { by: 'ann', reason: 'seen enough' })
    expect((await task.reaches(record.id, isEnded)).phase).toBe('done')
    await ground.store.ledger.verify('production', task.task)
    await sluice.shutdown()
  })
})
