import type { Plan } from '../../src/domain/plan'
import type { Policy } from '../../src/domain/policy'
import type { UnitReport } from '../../src/domain/telemetry'
import { maxReportersPerUnit } from '../../src/domain/telemetry-fold'
import type { Digest } from '../../src/domain/version'
import { judge, type ReleaseFile } from '../../src/store/assessor'
import type { ReleaseRecord } from '../../src/store/releases'
import { policyWith } from '../support/assessment'
import { batchOf, environment, type TrafficGround, task, trafficGround, unitName, unitReport } from '../support/traffic'

let ground: TrafficGround
let candidate: Digest
let incumbent: Digest
let seq: number
let releaseId: string
let releases = 0
let units = 0

beforeAll(async () => {
  ground = await trafficGround()
  incumbent = await ground.settle(0)
})
afterAll(() => ground.end())
afterEach(() => ground.rollback(releaseId))
beforeEach(async () => {
  releaseId = `release-${++releases}`
  candidate = await ground.composite(releases)
  const watches = { outputs, tenantSpend: true } as const
  seq = (await ground.step({ incumbent: 0, candidate: releases, releaseId, watches })).seq
})

const outputs = [{ field: 'mood', classes: ['good', 'bad'] }, { field: 'score' }]
const policy = policyWith({ outputs: outputs.map((row) => ({ ...row, role: 'pause' as const })) })

/** What a look at the release decides by what the store holds. */
async function look(by: Policy = policy) {
  const request = { task, change: {}, why: 'for a test' }
  const plan = {
    task,
    candidate,
    policy: candidate,
    suite: candidate,
    lanes: [{ environment, baseSeq: 1, incumbent }],
    steps: [],
  }
  const record = { id: releaseId, task, request, createdAt: await ground.store.database.now() }
  const file: ReleaseFile = {
    record: record as unknown as ReleaseRecord,
    plan: plan as unknown as Plan,
    policy: by,
  }
  return judge({ ...ground.store, ledger: ground.ledger }, file)
}

interface Told {
  readonly key: string
  readonly reporter: string
  readonly arm: 'candidate' | 'incumbent'
  readonly count: number
  readonly failing?: number
  readonly change?: Partial<UnitReport>
}

/** Conversations of their own that one process reports under its key. */
async function tell({ key, reporter, arm, count, failing = 0, change = {} }: Told): Promise<void> {
  const composite = arm === 'candidate' ? candidate : incumbent
  const reports = Array.from({ length: count }, (_, index) => {
    const failed: Partial<UnitReport> = index < failing ? { errors: 1, events: ['error'] } : {}
    return unitReport({ unit: unitName(++units), ...failed, ...change })
  })
  const taken = await ground.store.telemetry.ingest(
    batchOf(reporter, { task, seq, slice: 0, arm, composite }, reports),
    key,
  )
  expect(taken.refused).toEqual([])
}

async function bothArms(
  key: string,
  reporter: string,
  count: number,
  failing: readonly [number, number],
): Promise<void> {
  await tell({ key, reporter, arm: 'candidate', count, failing: failing[0] })
  await tell({ key, reporter, arm: 'incumbent', count, failing: failing[1] })
}

describe('a spike of errors', () => {
  it('that one forged key of three tells of, under many names, pauses and names the key', async () => {
    for (const app of [1, 2]) await bothArms(`app-${app}`, `honest-process-${app}`, 60, [1, 1])
    for (const name of [1, 2, 3, 4]) await bothArms('app-3', `forged-process-${name}`, 20, [19, 0])
    const { assessment, input } = await look()
    expect(assessment.action).toBe('pause')
    expect(assessment.verdicts[0]).toMatchObject({ name: 'error_rate', reason: 'one_reporter' })
    expect(assessment.verdicts[0]?.text).toContain('not so without key app-3')
    expect(
      input.sources
        ?.filter(({ kind }) => kind === 'key')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['app-1', 'app-2', 'app-3'])
  })

  it('that all see rolls back at the next look', async () => {
    for (const app of [1, 2, 3]) await bothArms(`app-${app}`, `own-process-${app}`, 60, [1, 1])
    const before = await look()
    expect(before.assessment.action).toBe('continue')
    expect(before.input.sources).toBeUndefined()
    for (const app of [1, 2, 3]) await bothArms(`app-${app}`, `own-process-${app}`, 40, [38, 1])
    const { assessment } = await look()
    expect(assessment.action).toBe('rollback')
    expect(assessment.verdicts[0]).toMatchObject({ name: 'error_rate', reason: 'worse_than_incumbent' })
  })

  it('that more processes see than are told apart rolls back', async () => {
    const processes = Array.from({ length: 50 }, (_, index) => `one-of-many-${index}`)
    await Promise.all(processes.map((name) => bothArms('app', name, 4, [2, 0])))
    const { assessment, input } = await look()
    expect(assessment.action).toBe('rollback')
    const names = input.sources?.filter(({ kind }) => kind === 'reporter').map(({ name }) => name)
    expect(names?.slice(-2)).toEqual(['one of 34 others', 'one of 34 others'])
  })

  it('that trips a breaker says which process told of it', async () => {
    const breaker = { kind: 'errors', events: ['error'], minCount: 20, minRate: 0.2, windowMs: 60_000 } as const
    const strict = { ...policy, guardrails: [], breakers: [breaker] }
    for (const app of [1, 2]) await bothArms('app', `process-of-${app}`, 50, [0, 0])
    await bothArms('app', 'process-of-3', 50, [45, 45])
    const alone = await look(strict)
    expect(alone.assessment.action).toBe('pause')
    const text = alone.assessment.verdicts.find(({ name }) => name === 'error_breaker')?.text
    expect(text).toContain('not so without reporter process-of-3')
    for (const app of [1, 2]) await bothArms('app', `process-of-${app}`, 50, [45, 45])
    expect((await look(strict)).assessment.action).toBe('rollback')
  })
})

it('names the tenant that is hurt while the mean is well', async () => {
  const of = (tenant: string) => ({ key: 'app', reporter: 'process-of-1', change: { tenant } })
  for (const tenant of ['one', 'two', 'three', 'four']) {
    await tell({ ...of(tenant), arm: 'candidate', count: 200, failing: 10 })
    await tell({ ...of(tenant), arm: 'incumbent', count: 200, failing: 14 })
  }
  await tell({ ...of('acme'), arm: 'candidate', count: 30, failing: 28 })
  await tell({ ...of('acme'), arm: 'incumbent', count: 30, failing: 0 })
  const { assessment } = await look()
  expect(assessment.action).toBe('pause')
  expect(assessment.verdicts[0]).not.toMatchObject({ verdict: 'fail' })
  const harm = assessment.verdicts.find(({ name }) => name === 'max_harm')
  expect(harm).toMatchObject({ verdict: 'fail', reason: 'tenant_harmed' })
  expect(harm?.text).toContain('acme (28 of 28 events on the candidate)')
})

it('keeps what the candidate spends for each tenant under a budget by tenant', async () => {
  for (const [tenant, costUsd] of [
    ['acme', 0.5],
    ['other', 0.1],
  ] as const) {
    for (const arm of ['candidate', 'incumbent'] as const) {
      await tell({ key: 'app', reporter: 'process-of-1', arm, count: 3, change: { tenant, costUsd } })
    }
  }
  const by = (usdPerTenant: number) => look({ ...policy, breakers: [{ kind: 'budget', usdPerTenant }] })
  expect((await by(2)).input.spend.topTenant).toEqual({ tenant: 'acme', usd: 1.5 })
  expect((await by(2)).assessment.action).toBe('continue')
  expect((await by(1)).assessment.action).toBe('rollback')
})

it('pauses with `set_full` once a conversation has more reporters than a unit holds', async () => {
  const key = { task, seq, slice: 0, arm: 'candidate' as const, composite: candidate }
  const report = unitReport({ unit: unitName(++units) })
  const send = (index: number) => ground.store.telemetry.ingest(batchOf(`reporter-${index}`, key, [report]), 'app')
  await Promise.all(Array.from({ length: maxReportersPerUnit }, (_, index) => send(index)))
  expect((await look()).input.reporting).toMatchObject({ full: false })
  expect((await send(maxReportersPerUnit)).refused).toHaveLength(1)
  const { assessment } = await look()
  expect(assessment.action).toBe('pause')
  expect(assessment.waitingFor).toContain('set_full')
})

describe('outputs', () => {
  it('reach the judgement from what applications report, and pause where they differ', async () => {
    const server = await ground.serve()
    const app = await ground.connect(server.url)
    const startedAt = (await ground.store.database.now()) + 1
    for (let index = 0; index < 300; index++) {
      const serving = app.resolve(task, { tenant: 'acme', conversation: `c-${index}`, startedAt })
      if (serving.skip !== undefined) throw new Error('skipped')
      const mood = serving.arm === 'candidate' ? 'bad' : 'good'
      const about = { outcome: 'ok', latencyMs: 10 } as const
      app.report(serving, { ...about, output: { csat: 3, mood, score: index % 5 } })
      app.report(serving, { ...about, output: { csat: 3, mood: 'furious', score: 1_000 } })
    }
    await app.flush()
    const { assessment, input } = await look()
    const counted = input.strata.map(({ candidate: arm }) => arm.outputs?.classes['0'])
    expect(counted).toEqual([{ '1': input.strata[0]?.candidate.units }])
    expect(assessment.action).toBe('pause')
    const verdict = (name: string) => assessment.verdicts.find((row) => row.name === name)
    expect(verdict('output:mood')).toMatchObject({ verdict: 'fail', reason: 'output_differs' })
    expect(verdict('output:score')).toMatchObject({ verdict: 'pass' })
  })

  it('that the entry does not watch are refused with a code and change nothing', async () => {
    const key = { task, seq, slice: 0, arm: 'candidate' as const, composite: candidate }
    const bad = [[{ class: 3 }], [{ number: 1 }], [null, null, null]] as const
    const reports = bad.map((told) => unitReport({ unit: unitName(++units), outputs: told }))
    const taken = await ground.store.telemetry.ingest(batchOf('process-of-1', key, reports), 'app')
    expect(taken.units).toBe(0)
    expect(taken.refused.map(({ path, code }) => [path, code])).toEqual(
      bad.map((_, index) => [`/strata/0/units/${index}`, 'invalid_telemetry']),
    )
    expect((await look()).input.strata[0]?.candidate.units).toBe(0)
  })
})
