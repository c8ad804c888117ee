import type { FastifyInstance } from 'fastify'
import type { ApiDeps } from '../../../src/api/app'
import { buildServer } from '../../../src/api/server'
import { runCli } from '../../../src/cli/main'
import type { Verdict } from '../../../src/domain/evaluation'
import { type EvaluationGround, endedRun, evaluationGround } from '../../support/evaluation-ground'
import { armReport } from '../../support/outcome-reports'

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

  it('answers a verdict that was stored with an infinite difference without it', async () => {
    const { store, suite, policy } = ground
    const key = {
      candidate: await ground.composite('1.1.0'),
      incumbent: await ground.composite('1.0.0'),
      suite,
      policy,
    }
    const estimate = { mean: 0.5, lower: 0, upper: 1 }
    const test = { ...estimate, groups: 2, pBelow: 0.5, pAbove: 0.5 }
    const unknown = { ...test, groups: 1, lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY }
    const detail = { measure: 'changed_share', moved: 0.5, changed: estimate, examples: [] } as const
    const field = { field: 'x', kind: 'number', pairs: 2, changedShare: 0.5, before: 1, after: 2 } as const
    await store.evaluations.begin('one-group', key, 'ann')
    await store.evidence.record({
      ...{ ...key, verdict: 'pass', reasons: [], shifting: true, evaluationId: 'one-group' },
      report: {
        ...{ suite, primary: 's', cases: 2, groups: 2, repeats: 1, checks: [] },
        candidate: armReport(key.candidate, [], { scorers: ['s'], primary: 's' }),
        comparison: {
          ...{ pairs: 2, difference: test, fixed: { count: 0, cases: [] }, broken: { count: 0, cases: [] } },
          shifts: [
            { ...field, detail: { ...detail, difference: unknown } },
            { ...field, detail: { ...detail, difference: test } },
          ],
        },
        paid: { calls: 0, results: 0, costUsd: 0, lostCalls: 0 },
      },
    })
    const shifts = [
      { ...field, detail },
      { ...field, detail: { ...detail, difference: test } },
    ]
    const told = { verdict: 'pass', report: { comparison: { shifts } } }
    const shown = await call('GET', '/v1/evaluations/one-group')
    expect(shown).toMatchObject({ status: 200, body: { verdict: told } })
    expect((shown.body as { verdict: Verdict }).verdict.report.comparison?.shifts).toEqual(shifts)
    const listed = await call('GET', `/v1/verdicts?candidate=${encodeURIComponent(key.candidate)}&limit=1`)
    expect(listed).toMatchObject({ status: 200, body: { items: [told] } })
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

  it('finds a task that a list of tasks shows on a later page', async () => {
    const { catalog } = ground.store
    const { roles, suite, policy } = await catalog.task('csat-scoring')
    const earlier = [...Array(50).keys()].map((place) => `a-task-${String(place).padStart(2, '0')}`)
    for (const name of earlier) await catalog.putTask({ name, roles, suite, policy }, 'ann')
    const { code, err } = await sluice('eval', 'run', 'airline@1.0.0', ...change('1.1.0'))
    expect(err).toMatch(/^evaluation \w+\n/)
    expect(code).toBe(0)
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
