import { readFileSync } from 'node:fs'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import type { FastifyInstance } from 'fastify'
import { buildServer } from '../../src/api/server'
import { runCli } from '../../src/cli/main'
import type { Digest } from '../../src/domain/version'
import { runEvaluation } from '../../src/store/evaluation-run'
import { type RescorePath, rescorePaths, runRescore } from '../../tools/scripted/scripted-rescore'
import { identity } from '../../tools/scripted/scripted-worker'
import { rescoreWorkflowId } from '../../workflows/workflow-ids'
import { airlineCases, airlineComposite } from '../support/airline'
import { groundAddress } from '../support/ground'
import { type ReleaseGround, releaseGround } from '../support/release-ground'
import { until } from '../support/until'

describe('the workflow rescore', () => {
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
    runRescore(client, connection, rescorePaths.find((path) => path.name === name) as RescorePath)

  test('scores every composite once and closes', async () => {
    const { status, scored, closed } = await run('done')
    expect(status).toMatchObject({ state: 'done', done: 3, failed: 0, of: 3, rescoreId: 'S1' })
    expect([...scored].sort()).toEqual([0, 1, 2])
    expect(closed).toEqual(['done'])
  })

  test('goes on after one that cannot be scored, and says so', async () => {
    const { status, scored, closed } = await run('failed')
    expect(status).toMatchObject({ state: 'failed', done: 3, failed: 1 })
    expect(status).toMatchObject({ notes: expect.arrayContaining(['sha256:1: invalid_content: it has no prompt']) })
    expect([...scored].sort()).toEqual([0, 1, 2])
    expect(closed).toEqual(['failed'])
  })

  test('closes as cancelled when it is cancelled', async () => {
    expect(await run('cancelled')).toMatchObject({ status: 'cancelled', closed: ['cancelled'] })
  })

  test('goes on in another run before its history grows, and tells the whole', async () => {
    const { workflowId, runId, status, scored } = await run('continued')
    expect(status).toMatchObject({ state: 'done', done: 101, of: 101 })
    expect(new Set(scored).size).toBe(101)
    expect((await client.workflow.getHandle(workflowId).describe()).runId).not.toBe(runId)
  })
})

describe('a new version of a suite', () => {
  let ground: ReleaseGround
  let app: FastifyInstance
  let url: string
  let key: string
  let serving: Digest
  let recent: Digest

  beforeAll(async () => {
    ground = await releaseGround()
    await ground.settleFirst()
    const { store, orchestrator, endpoints, task } = ground
    serving = (await store.ledger.lane('production', task)).incumbent as Digest
    recent = await airlineComposite(store.catalog, '1.1.0')
    const { suiteDigest: suite, policyDigest: policy } = await store.catalog.task(task)
    const order = { evaluationId: 'by-hand', by: 'ann', candidate: recent, suite, policy }
    await runEvaluation({ ...store, endpoints }, order)
    await registerSuites()
    key = await store.keys.create('ann', 'admin')
    app = buildServer({ store, orchestrator, endpoints })
    url = await app.listen({ host: '127.0.0.1', port: 0 })
  })
  afterAll(async () => {
    await app.close()
    await ground.end()
  })

  /** Versions of the suite: other cases, another threshold, other scorers. */
  async function registerSuites(): Promise<void> {
    const { catalog } = ground.store
    const by = { author: 'ann', description: 'for a test' }
    const { content } = await catalog.version('suite/airline@1.0.0')
    const rows = airlineCases().slice(6, 10)
    await catalog.register({ kind: 'dataset', name: 'more-cases', semver: '1.0.0', content: { rows }, ...by })
    const scorers = [{ name: 'transferred', scorer: 'field', options: { path: 'transferred' } }]
    const changes = {
      '1.1.0': { dataset: 'more-cases@1.0.0' },
      '1.2.0': { thresholds: { minAccuracy: 0.2 } },
      '2.0.0': { scorers, primary: 'transferred', thresholds: { minAccuracy: 0.1 } },
    }
    for (const [semver, change] of Object.entries(changes)) {
      const changed = { ...(content as object), ...change }
      await catalog.register({ kind: 'suite', name: 'airline', semver, content: changed, ...by })
    }
  }

  async function sluice(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    let out = ''
    let err = ''
    const output = {
      out(text: string) {
        out += text
      },
      err(text: string) {
        err += text
      },
    }
    const environment = { SLUICE_URL: url, SLUICE_API_KEY: key }
    return { code: await runCli(args, { environment, directory: '/', output }), out, err }
  }

  const rescore = (...args: readonly string[]) => sluice('eval', 'rescore', ground.task, ...args)

  test('with other scorers costs no call: what serves and what was scored lately is scored again', async () => {
    const suite = 'airline@2.0.0'
    const before = ground.engine.requests()
    const plan = await rescore('--suite', suite, '--dry-run', '--json')
    expect(plan.code).toBe(0)
    expect(JSON.parse(plan.out)).toMatchObject({
      items: [
        { composite: serving, reason: 'serving', freeCalls: 8, paidCalls: 0, worstUsd: 0 },
        { composite: recent, incumbent: serving, reason: 'recent', freeCalls: 8, paidCalls: 0 },
      ],
    })
    expect((await ground.store.rescores.list({})).length).toBe(0)
    const { code, out, err } = await rescore('--suite', suite)
    expect({ code, err }).toMatchObject({ code: 0, err: expect.stringMatching(/^rescore \w+\n/) })
    expect(out).toContain('done: 2 of 2 composites scored')
    expect(out).toMatch(/suite\/airline@1\.0\.0 .*%[\s\S]*suite\/airline@2\.0\.0 .*%/)
    expect(ground.engine.requests()).toBe(before)
    const { digest } = await ground.store.catalog.version(`suite/${suite}`)
    const { policyDigest: policy } = await ground.store.catalog.task(ground.task)
    const pair = { candidate: recent, incumbent: serving, suite: digest, policy }
    expect(await ground.store.evidence.verdict(pair)).toMatchObject({ report: { paid: { calls: 0 } } })
  })

  test('with other cases pays for those only, as the dry run says', async () => {
    const suite = 'airline@1.1.0'
    const plan = JSON.parse((await rescore('--suite', suite, '--recent', '0', '--dry-run', '--json')).out)
    expect(plan.items).toMatchObject([{ composite: serving, freeCalls: 2, paidCalls: 2 }])
    expect(plan.items[0].worstUsd).toBeGreaterThan(0)
    const before = ground.engine.requests()
    const { code, out } = await rescore('--suite', suite, '--recent', '0', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ state: 'done', of: 1, items: [{ outcome: { kind: 'scored' } }] })
    expect(ground.engine.requests() - before).toBe(2)
  })

  test('one that runs already is given back, also when its workflow was lost', async () => {
    const { store, client } = ground
    const suite = 'airline@1.2.0'
    const { digest } = await store.catalog.version(`suite/${suite}`)
    const { policyDigest: policy } = await store.catalog.task(ground.task)
    const items = [{ composite: serving, reason: 'serving' as const, places: [] }]
    const open = await store.rescores.open({ task: ground.task, suite: digest, policy, items }, 'ann')
    expect(await store.rescores.open({ task: ground.task, suite: digest, policy, items: [] }, 'bob')).toEqual(open)
    const { code, out } = await rescore('--suite', suite, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ id: open.id, state: 'done', done: 1, of: 1 })
    const workflow = client.workflow.getHandle(rescoreWorkflowId(open.id))
    await until('the workflow ends', async () => (await workflow.describe()).status.name === 'COMPLETED')
  })

  test('evaluations on two of them are shown side by side and never compared', async () => {
    const runs = await ground.store.rescores.list({ task: ground.task, limit: 1 })
    const [item] = await ground.store.rescores.items(runs[0]?.id ?? '')
    const { code, out, err } = await sluice('eval', 'compare', 'by-hand', item?.evaluationId ?? '')
    expect(code).toBe(3)
    expect(out).toMatch(/SUITE\s+BEFORE\s+AFTER/)
    expect(out).toMatch(/suite\/airline@1\.2\.0\s+not scored\s+\d/)
    expect(err).toMatch(/suite_mismatch[\s\S]*eval run/)
    const shown = await sluice('eval', 'show', 'by-hand')
    expect(shown.out).toMatch(/suite\/airline@2\.0\.0/)
  })

  test('the commands of docs/evaluation.md do what the page says', async () => {
    const { catalog } = ground.store
    const { roles } = await catalog.task(ground.task)
    await catalog.putTask({ name: 'csat-scoring', roles, suite: 'airline@1.0.0', policy: 'quick@1.0.0' }, 'ann')
    const [, block = ''] = /```sh\n([\s\S]*?)```/.exec(readFileSync('docs/evaluation.md', 'utf8')) ?? []
    const commands = block.trim().split('\n')
    expect(commands.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      ...['run', 'show', 'compare', 'rescore', 'rescore'].map((verb) => `sluice eval ${verb}`),
    ])
    let evaluation = ''
    for (const line of commands) {
      const named = line.replace('<before>', 'by-hand').replace(/<(evaluation|after)>/, evaluation)
      const { code, err } = await sluice(...named.split(' ').slice(1))
      expect({ line, code, err }).toMatchObject({ code: 0 })
      evaluation = /^evaluation (\w+)/.exec(err)?.[1] ?? evaluation
    }
  })

  test('is refused where it cannot be planned, and nothing is begun', async () => {
    const begun = (await ground.store.rescores.list({})).length
    expect(await sluice('eval', 'rescore', 'nothing', '--suite', 'airline@2.0.0')).toMatchObject({
      code: 1,
      err: expect.stringContaining('unknown_task'),
    })
    expect(await rescore('--suite', 'airline@9.0.0')).toMatchObject({
      code: 1,
      err: expect.stringContaining('unknown_ref'),
    })
    expect(await rescore('--suite', 'airline@2.0.0', '--recent', 'few')).toMatchObject({ code: 1 })
    expect(await rescore()).toMatchObject({ code: 2 })
    expect((await ground.store.rescores.list({})).length).toBe(begun)
  })
})
