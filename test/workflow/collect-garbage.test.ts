import { readFileSync } from 'node:fs'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import type { FastifyInstance } from 'fastify'
import { buildServer } from '../../src/api/server'
import { runCli } from '../../src/cli/main'
import { defaultRetention, type GarbageRun } from '../../src/domain/retention'
import { garbagePaths, runGarbage } from '../../tools/scripted/scripted-garbage'
import { identity } from '../../tools/scripted/scripted-worker'
import { garbageScheduleId, garbageWorkflowId } from '../../workflows/workflow-ids'
import { registration } from '../support/contents'
import { groundAddress } from '../support/ground'
import { type ReleaseGround, releaseGround } from '../support/release-ground'
import { agedBy } from '../support/retention'
import { until } from '../support/until'

const parts = ['versions', 'outputs', 'rows', 'captures']

describe('the workflow collectGarbage', () => {
  let client: Client
  let connection: NativeConnection
  beforeAll(async () => {
    const address = groundAddress('TEMPORAL_ADDRESS')
    client = new Client({ connection: await Connection.connect({ address }), identity })
    connection = await NativeConnection.connect({ address })
  })
  afterAll(async () => {
    await connection.close()
    await client.connection.close()
  })

  const run = (name: string) =>
    runGarbage(client, connection, garbagePaths.find((path) => path.name === name) ?? { name })

  test.each(['done', 'scheduled'])('%s: takes every part once, in order, and closes', async (name) => {
    const { status, parts: taken, run: ended } = await run(name)
    expect(taken).toEqual(parts)
    expect(status).toMatchObject({ kind: 'run', id: 'G1', state: 'done' })
    expect(ended).toMatchObject({ state: 'done' })
  })

  test('the schedule drops nothing where nobody turned retention on', async () => {
    expect(await run('off')).toEqual({ workflowId: expect.any(String), status: { kind: 'off' }, parts: [] })
  })

  test('a part that cannot be done closes the run as failed, with why', async () => {
    const { status, parts: taken, run: ended } = await run('failed')
    expect({ status, taken }).toEqual({ status: 'closed', taken: ['versions', 'outputs', 'rows'] })
    expect(ended).toMatchObject({ state: 'failed', failure: 'payload_too_large: the rows are too many' })
  })

  test('closes as cancelled when it is cancelled', async () => {
    const { parts: taken, run: ended } = await run('cancelled')
    expect(taken).toEqual(['versions', 'outputs'])
    expect(ended).toMatchObject({ state: 'cancelled' })
  })
})

describe('retention from the command line', () => {
  let ground: ReleaseGround
  let app: FastifyInstance
  let url: string
  const keys = { admin: '', app: '' }
  beforeAll(async () => {
    ground = await releaseGround()
    const { store, orchestrator, endpoints } = ground
    keys.admin = await store.keys.create('ann', 'admin')
    keys.app = await store.keys.create('chat', 'app')
    app = buildServer({ store, orchestrator, endpoints })
    url = await app.listen({ host: '127.0.0.1', port: 0 })
  })
  afterAll(async () => {
    await app.close()
    await ground.end()
  })

  async function sluice(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    const said = { out: '', err: '' }
    const output = {
      out(text: string) {
        said.out += text
      },
      err(text: string) {
        said.err += text
      },
    }
    const environment = { SLUICE_URL: url, SLUICE_API_KEY: keys.admin }
    return { code: await runCli(args, { environment, directory: '/', output }), ...said }
  }

  /** An experiment of long ago. */
  async function experiment(name: string): Promise<string> {
    const ref = `prompt/${name}@1.0.0`
    await ground.store.catalog.register(registration(ref, { text: `${name} ${'x'.repeat(5_000)}` }))
    await agedBy(ground.store.database, 100)
    return ref
  }

  test('a run drops what the plan said, shows it, and ends with 0', async () => {
    const ref = await experiment('tried')
    const plan = await sluice('gc', 'plan', '--json')
    expect(JSON.parse(plan.out)).toMatchObject({ totals: { versions: { count: 1 } }, items: [{ ref }] })
    const { code, out, err } = await sluice('gc', 'run')
    expect({ code, err }).toMatchObject({ code: 0, err: expect.stringMatching(/^run \w+, asked for by ann\n/) })
    expect(out).toMatch(/: done, asked for by ann at .*\nversions: 1, \d+ bytes\n/)
    const [run] = (await ground.store.garbage.runs({})) as [GarbageRun]
    expect(await ground.client.workflow.getHandle(garbageWorkflowId(run.id)).describe()).toMatchObject({
      status: { name: expect.stringMatching(/RUNNING|COMPLETED/) },
    })
    expect(JSON.parse((await sluice('gc', 'ls', '--json')).out)).toEqual([run])
    expect(JSON.parse((await sluice('gc', 'show', run.id, '--json')).out)).toEqual(run)
    expect(await sluice('gc', 'show', 'nothing')).toMatchObject({ code: 1, err: expect.stringContaining('not_found') })
    const explained = await sluice('gc', 'plan', '--explain', ref, '--json')
    expect(JSON.parse(explained.out)).toMatchObject({ verdict: 'dropped', dropped: { run: run.id, by: 'ann' } })
  })

  test('a run whose workflow was lost is given back, and its workflow starts again', async () => {
    const { store } = ground
    const lost = await store.garbage.open('bob')
    const { code, out } = await sluice('gc', 'run', '--json')
    expect({ code, run: JSON.parse(out) }).toMatchObject({ code: 0, run: { id: lost.id, by: 'bob', state: 'done' } })
  })

  test('a run that is cancelled drops nothing more, and who watches is told', async () => {
    const { store } = ground
    const ref = await experiment('spared')
    const run = await store.garbage.open('bob')
    expect(await sluice('gc', 'cancel', run.id)).toMatchObject({ code: 0, out: expect.stringContaining('cancelled') })
    expect(await store.garbage.collect(run.id, 'versions')).toEqual({ count: 0, bytes: 0 })
    expect(await store.garbage.close(run.id, 'done')).toMatchObject({ state: 'cancelled' })
    expect((await store.catalog.version(ref)).dropped).toBeUndefined()
  })

  test('a policy is changed with a reason by admins only, and a run is theirs, too', async () => {
    expect(await sluice('gc', 'policy', '--experiment-days', '30')).toMatchObject({
      code: 1,
      err: expect.stringContaining('reason_missing'),
    })
    for (const wrong of [
      ['--experiment-days', 'few'],
      ['--automatic', 'yes'],
      ['--experiment-days', '0'],
    ]) {
      expect(await sluice('gc', 'policy', ...wrong, '--reason', 'a test')).toMatchObject({ code: 1 })
    }
    const shown = await sluice('gc', 'policy', '--json')
    expect(shown.err).toBe('')
    expect(JSON.parse(shown.out)).toMatchObject({
      experimentDays: 90,
      automatic: false,
    })
    const changed = await sluice('gc', 'policy', '--experiment-days', '200', '--automatic', 'on', '--reason', 'a test')
    expect(changed).toMatchObject({ code: 0, out: expect.stringContaining('the schedule drops by itself') })
    expect(await ground.store.garbage.policy()).toMatchObject({ experimentDays: 200, uploadDays: 7, by: 'ann' })
    for (const [method, path] of [
      ['POST', '/v1/gc/runs'],
      ['PUT', '/v1/gc/policy'],
      ['POST', '/v1/gc/runs/x/cancel'],
    ]) {
      const answer = await fetch(`${url}${path}`, {
        method: method as string,
        headers: { authorization: `Bearer ${keys.app}`, 'content-type': 'application/json' },
        body: '{}',
      })
      expect(answer.status).toBe(403)
    }
  })

  test('the commands of docs/retention.md do what the page says', async () => {
    await experiment('tried')
    const page = readFileSync('docs/retention.md', 'utf8')
    const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, text = '']) => text.trim().split('\n'))
    const verbs = ['plan', 'plan', 'run', 'ls', 'show', 'cancel', 'policy', 'policy']
    expect(commands.map((line) => line.split(' ')[2])).toEqual(verbs)
    await ground.store.garbage.setPolicy({ ...defaultRetention, automatic: false }, { by: 'ann', reason: 'a test' })
    let run = ''
    const said: string[] = []
    for (const line of commands) {
      const { code, out, err } = await sluice(...line.replace('<run>', run).split(' ').slice(1))
      expect({ line, code, err }).toMatchObject({ code: 0 })
      run = /^run (\w+),/.exec(err)?.[1] ?? run
      said.push(out)
    }
    expect(said[0]).toContain('prompt/tried@1.0.0')
    expect(said[1]).toContain('prompt/tried@1.0.0: droppable')
    for (const out of said.slice(2, 6)) expect(out).toMatch(new RegExp(`${run}.*done`))
    expect(said[6]).toContain('nothing is dropped unless `sluice gc run` is asked for')
    expect(said[7]).toContain('30 days')
    const { experimentDays, uploadDays } = defaultRetention
    expect(page).toMatch(new RegExp(`${experimentDays} by default[\\s\\S]*${uploadDays} by default`))
  })

  test('the schedule is made once, takes another pace, stays paused, and its run asks the policy', async () => {
    const { client, orchestrator, queue, store } = ground
    const handle = client.schedule.getHandle(garbageScheduleId(queue))
    try {
      await Promise.all([orchestrator.scheduleGarbage(24), orchestrator.scheduleGarbage(24)])
      expect(await handle.describe()).toMatchObject({
        spec: { intervals: [{ every: 24 * 3_600_000 }] },
        policies: { overlap: 'SKIP' },
        action: { workflowType: 'collectGarbage', args: [{ by: 'schedule', scheduled: true }] },
      })
      await handle.pause('a test')
      await orchestrator.scheduleGarbage(6)
      expect(await handle.describe()).toMatchObject({
        spec: { intervals: [{ every: 6 * 3_600_000 }] },
        policies: { overlap: 'SKIP' },
        state: { paused: true },
      })
      const before = (await store.garbage.runs({})).length
      const policy = { experimentDays: 200, uploadDays: 7, heavyBytes: 4_096 }
      await store.garbage.setPolicy({ ...policy, automatic: true }, { by: 'ann', reason: 'a test' })
      await handle.trigger()
      await until('the scheduled run is done', async () => {
        const [run] = await store.garbage.runs({ limit: 1 })
        return run?.by === 'schedule' && run.state === 'done'
      })
      expect((await store.garbage.runs({})).length).toBe(before + 1)
    } finally {
      await handle.delete()
    }
  })
})
