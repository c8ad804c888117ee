import type { FastifyInstance } from 'fastify'
import type { ApiDeps } from '../../../src/api/app'
import { buildServer } from '../../../src/api/server'
import { runCli } from '../../../src/cli/main'
import { type EvaluationGround, endedRun, evaluationGround } from '../../support/evaluation-ground'

let ground: EvaluationGround
let app: FastifyInstance
let url: string
let key: string

beforeAll(async () => {
  ground = await evaluationGround({ cases: 40 })
  const { store, endpoints } = ground
  await store.catalog.putTask(
    {
      name: 'csat-scoring',
      roles: { prompt: 'csat@1.0.0', engine: 'simulated@1.0.0', schema: 'csat-report@1.0.0' },
      suite: 'airline@1.0.0',
      policy: 'default@1.0.0',
    },
    'ann',
  )
  key = await store.keys.create('ann', 'admin')
  // Evaluations never reach Temporal.
  const deps: Omit<ApiDeps, 'orchestrator'> = { store, endpoints }
  app = buildServer(deps as ApiDeps)
  url = await app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await app.close()
  await ground.end()
})

interface Cli {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function sluice(...args: readonly string[]): Promise<Cli> {
  let out = ''
  let err = ''
  const code = await runCli(args, {
    environment: { SLUICE_URL: url, SLUICE_API_KEY: key },
    directory: '/',
    output: {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
    },
  })
  return { code, out, err }
}

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const start = (candidate: unknown, rest: Record<string, unknown> = {}) =>
  call('POST', `/v1/suites/${encodeURIComponent('airline@1.0.0')}/evaluations`, { candidate, ...rest })

async function ended(id: unknown): Promise<Record<string, unknown>> {
  await endedRun(ground.store, String(id))
  return (await call('GET', `/v1/evaluations/${id}`)).body
}

describe('evaluations over HTTP', () => {
  it('starts one, and shows how it went', async () => {
    const roles = { prompt: 'csat@1.0.0', engine: 'simulated@1.0.0', schema: 'csat-report@1.0.0' }
    const started = await start(roles)
    expect(started).toMatchObject({ status: 202, body: { by: 'ann', interrupted: false } })
    const done = await ended(started.body.id)
    const candidate = await ground.composite('1.0.0')
    expect(done).toMatchObject({
      state: 'done',
      candidate,
      suite: ground.suite,
      policy: ground.policy,
      progress: { done: 40, total: 40 },
      verdict: { verdict: 'pass', report: { cases: 40, candidate: { results: 40 } } },
    })
    const { body } = await call('GET', `/v1/verdicts?candidate=${encodeURIComponent(candidate)}`)
    expect(body).toMatchObject({ items: [{ evaluationId: started.body.id, verdict: 'pass' }] })
    expect((await call('GET', '/v1/evaluations?limit=1')).body).toMatchObject({ items: [{ id: started.body.id }] })
    expect(await ground.store.evidence.passing({ candidate, suite: ground.suite, policy: ground.policy })).toBe(true)
  })

  it('compares two, and refuses to compare across suites', async () => {
    const before = (await start(await ground.composite('1.0.0'))).body
    const after = (await start(await ground.composite('1.1.0'))).body
    await ended(before.id)
    await ended(after.id)
    const compared = await call('POST', '/v1/evaluations/compare', { before: before.id, after: after.id })
    expect(compared).toMatchObject({ status: 200, body: { suite: ground.suite, comparison: { pairs: 40 } } })
    const candidate = await ground.composite('1.0.0')
    const otherSuite = { candidate, suite: ground.policy, policy: ground.policy }
    await ground.store.evaluations.begin('other', otherSuite, 'ann')
    const refused = await call('POST', '/v1/evaluations/compare', { before: before.id, after: 'other' })
    expect(refused).toMatchObject({ status: 409, body: { code: 'suite_mismatch' } })
  })

  it('refuses what it cannot run', async () => {
    const candidate = await ground.composite('1.0.0')
    const missing = `sha256:${'0'.repeat(64)}`
    expect(await start(missing)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect(await start(candidate, { stray: 1 })).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    expect(await start(candidate, { policy: 'none@1.0.0' })).toMatchObject({
      status: 404,
      body: { code: 'unknown_ref' },
    })
    const wrongKind = encodeURIComponent('policy/default@1.0.0')
    expect(await call('POST', `/v1/suites/${wrongKind}/evaluations`, { candidate })).toMatchObject({ status: 400 })
    expect(await call('GET', '/v1/evaluations/nothing')).toMatchObject({ status: 404 })
    expect((await fetch(`${url}/v1/evaluations`)).status).toBe(401)
  })
})

describe('sluice eval', () => {
  const change = (prompt: string) => ['--task', 'csat-scoring', '--change', `prompt=csat@${prompt}`]

  it('runs a suite with progress, and shows the verdict', async () => {
    const { code, out, err } = await sluice('eval', 'run', 'airline@1.0.0', ...change('1.4.0'))
    expect(err).toMatch(/^evaluation \w+\n/)
    expect(out).toContain('verdict: pass')
    expect(out).toMatch(/candidate\s+7\d\.\d %/)
    expect(code).toBe(0)
    const id = /evaluation (\w+)/.exec(err)?.[1] ?? ''
    const shown = await sluice('eval', 'show', id)
    expect(shown).toMatchObject({ code: 0, out: expect.stringContaining('40 of 40 results') })
  })

  it('shows scores, figures and what judges cost of a suite with a judge', async () => {
    const args = [...change('1.1.0'), '--policy', 'default@1.0.0']
    const { code, out, err } = await sluice('eval', 'run', 'airline-judged@1.0.0', ...args)
    expect(out).toMatch(/^judged \* +\d+\.\d % \(/m)
    expect(out).toMatch(/^ +labels: resolved\.f1 +\d+\.\d %/m)
    expect(out).toMatch(/^judges: 40 calls, 40 answers, \$0\.\d+ paid, 0 calls left no answer$/m)
    expect(code).toBe(0)
    const id = /evaluation (\w+)/.exec(err)?.[1]
    const { body } = await call('GET', `/v1/evaluations/${id}`)
    expect(body).toMatchObject({
      progress: { done: 80, total: 80 },
      verdict: {
        report: {
          candidate: {
            figures: expect.arrayContaining([expect.objectContaining({ scorer: 'labels', figure: 'micro_f1' })]),
          },
          paid: { judges: { calls: 40, answers: 40 } },
        },
      },
    })
  })

  it('ends as refused where the candidate does not pass', async () => {
    const against = await ground.composite('1.1.0')
    const strict = await ground.policyWith('strict', { shiftMargin: 0 })
    const args = [...change('1.0.0'), '--incumbent', against, '--policy', strict]
    const { code, out, err } = await sluice('eval', 'run', 'airline@1.0.0', ...args, '--json')
    expect(code).toBe(3)
    expect(JSON.parse(out)).toMatchObject({ verdict: { verdict: 'fail', shifting: true } })
    expect(JSON.parse(err.trim())).toMatchObject({ code: 'undeployable' })
  })

  it('compares two evaluations', async () => {
    const id = async (prompt: string) => {
      const { out } = await sluice('eval', 'run', 'airline@1.0.0', ...change(prompt), '--json')
      return (JSON.parse(out) as { id: string }).id
    }
    const { code, out } = await sluice('eval', 'compare', await id('1.0.0'), await id('1.1.0'))
    expect(code).toBe(0)
    expect(out).toMatch(/accuracy \+\d/)
    expect(out).toMatch(/transferred\s+boolean/)
  })

  it('says what is wrong with a command', async () => {
    const without = await sluice('eval', 'run', 'airline@1.0.0')
    expect(without).toMatchObject({ code: 1, err: expect.stringContaining('Name the candidate') })
    const unknown = await sluice('eval', 'run', 'airline@1.0.0', '--task', 'nothing')
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('unknown_task') })
    const malformed = await sluice('eval', 'run', 'airline@1.0.0', '--task', 'csat-scoring', '--change', 'prompt')
    expect(malformed).toMatchObject({ code: 1, err: expect.stringContaining('role=ref') })
  })
})
