import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { assess } from '../../src/domain/analysis'
import type { Plan } from '../../src/domain/plan'
import type { LiveJudgePolicy, Policy } from '../../src/domain/policy'
import type { Digest } from '../../src/domain/version'
import { LiveJudges } from '../../src/live-judges'
import type { Log } from '../../src/log'
import { unitHash } from '../../src/sdk/recorder'
import type { ReleaseFile } from '../../src/store/assessor'
import { Captures } from '../../src/store/captures'
import { judgeRound } from '../../src/store/live-judging'
import type { ReleaseRecord } from '../../src/store/releases'
import type { UnitDocument } from '../../src/store/telemetry-documents'
import { Vault } from '../../src/store/vault'
import { inputOf, policyWith } from '../support/assessment'
import {
  batchOf,
  emptyBatch,
  environment,
  type TrafficGround,
  task,
  trafficGround,
  unitReport,
} from '../support/traffic'

const metric = 'judged_helpful'
const custom = { failsBelow: 0.5 } as const
const ann = { by: 'ann', reason: 'for a test' }

let ground: TrafficGround
let captures: Captures
let engine: Server
let endpoints: Record<string, { url: string }>
/** What the judge was shown, one text a call. */
let shown: string[]
let status = 200
let judge: LiveJudgePolicy
let incumbent: Digest
let candidate: Digest
let seq: number
let releaseId: string
let releases = 0

/** A judge on a real socket: it finds nothing helpful in what says "bad", and quotes it. */
beforeAll(async () => {
  engine = createServer(async (request, response) => {
    const body = await text(request)
    shown.push(body)
    const score = body.includes('bad answer') ? 0.2 : 0.9
    const content = JSON.stringify({ score, reason: 'it says so: secret words' })
    const usage = { prompt_tokens: 1_000, completion_tokens: 10 }
    response.writeHead(status).end(JSON.stringify({ choices: [{ message: { content } }], usage }))
  })
  await new Promise<void>((resolve) => engine.listen(0, '127.0.0.1', resolve))
  endpoints = { simulated: { url: `http://127.0.0.1:${(engine.address() as AddressInfo).port}` } }
  ground = await trafficGround()
  captures = new Captures(ground.store.database, new Vault([createSecretKey(randomBytes(32))]))
  await captures.setPolicy({ environment, task, basisPoints: 10_000, retentionMs: 3_600_000, ...ann })
  incumbent = await ground.settle(0)
  const about = { semver: '1.0.0', author: 'test', description: 'a judge' }
  const content = { text: 'Rate {{output}} for {{input}} by {{rubric}}.' }
  const prompt = await ground.store.catalog.register({ ...about, kind: 'prompt', name: 'judge', content })
  const engineDigest = (await ground.store.catalog.version('engine/sim@1.0.0')).digest
  judge = {
    ...{ metric, engine: engineDigest, prompt: prompt.version.digest, rubric: 'be helpful' },
    ...{ sampleBasisPoints: 10_000, budgetUsd: 5, perMinute: 600 },
  }
})
afterAll(async () => {
  engine.closeAllConnections()
  engine.close()
  await ground.end()
})
beforeEach(async () => {
  shown = []
  status = 200
  releaseId = `judged-${++releases}`
  candidate = await ground.composite(releases)
  const watches = { quality: [{ metric, custom, judged: true }] } as const
  seq = (await ground.step({ incumbent: 0, candidate: releases, releaseId, watches })).seq
})
afterEach(() => ground.rollback(releaseId))

async function fileOf(change: Partial<LiveJudgePolicy> = {}): Promise<ReleaseFile> {
  const now = await ground.store.database.now()
  const policy: Policy = policyWith({
    environments: [environment],
    judges: [{ ...judge, ...change }],
    guardrail: { metric, custom, margin: 0 },
  })
  const record = { id: releaseId, createdAt: now - 120_000 } as unknown as ReleaseRecord
  return { record, policy, plan: { task, candidate } as unknown as Plan }
}

const round = async (change: Partial<LiveJudgePolicy> = {}, roundMs = 60_000) => {
  const file = await fileOf(change)
  const deps = { ...ground.store, captures, endpoints, roundMs }
  return judgeRound(deps, file, { ...judge, ...change })
}

/** Conversations that were served a minute ago and whose outputs were captured. */
async function serve(names: readonly string[], arm: 'candidate' | 'incumbent', output: string, captured = true) {
  const stratum = { task, seq, slice: 0, arm, composite: arm === 'candidate' ? candidate : incumbent }
  const at = (await ground.store.database.now()) - 60_000
  const served = names.map((name, index) => ({
    ...{ requestId: randomUUID(), tenant: 'acme', conversation: `${releaseId}-${name}`, at: at + index },
    ...{ ...stratum, reason: 'exposed', binding: '', outcome: 'ok' as const, latencyMs: 1, inputTokens: 1 },
    ...{ cachedTokens: 0, outputTokens: 1, costUsd: 0, uncachedCostUsd: 0, cacheAgeMs: 0, headSeq: seq, tenantSeq: 0 },
    stale: false,
  }))
  const units = served.map(({ conversation }) => unitReport({ unit: unitHash('acme', conversation) }))
  const taken = await ground.store.telemetry.ingest(
    { ...batchOf('process-1', stratum, units), requests: served },
    'app',
  )
  expect(taken.refused).toEqual([])
  const contents = served.map(({ requestId, tenant, conversation }) => {
    return { requestId, task, tenant, conversation, input: { transcript: 'hello' }, output }
  })
  if (captured) await captures.take({ reporter: 'process-1', environment, contents, dropped: 0 })
  return served
}
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)
const strata = () => ground.store.telemetry.read.strataOf({ environment, task, releaseId })
const stored = (name: string) => ground.store.database.collection(name).find().toArray()

it('judges what both arms served, and a candidate that answers worse is taken back', async () => {
  await serve(names('b', 40), 'candidate', 'a bad answer')
  await serve(names('a', 40), 'incumbent', 'a fine answer')
  expect(await round()).toBe(80)
  expect(shown).toHaveLength(80)
  const [row] = await strata()
  expect(row?.candidate.quality).toMatchObject({ [metric]: { n: 40, failed: 40 } })
  expect(row?.incumbent.quality).toMatchObject({ [metric]: { n: 40, failed: 0 } })
  const { policy } = await fileOf()
  const { action, verdicts } = assess(inputOf(await strata(), { policy }))
  expect({ action, reason: verdicts[0]?.reason }).toEqual({ action: 'rollback', reason: 'worse_than_incumbent' })
})

it('pays no judgement twice, whoever repeats the round and wherever the one before died', async () => {
  await serve(names('b', 10), 'candidate', 'a bad answer')
  expect(await round()).toBe(10)
  expect(await round()).toBe(0)
  await ground.store.database.collection('liveJudgeCursors').deleteMany({})
  expect(await round()).toBe(0)
  // As if the process had died after the answers were stored and before their scores were.
  await ground.store.database.collection('liveJudgeCursors').deleteMany({})
  await ground.store.database.collection('liveScores').deleteMany({ releaseId })
  expect(await round()).toBe(10)
  expect(shown).toHaveLength(10)
  // As if it had died after the scores and before they were joined.
  await ground.store.database.collection('liveScores').updateMany({ releaseId }, { $set: { pending: true } })
  await round()
  expect((await strata())[0]?.candidate.quality).toMatchObject({ [metric]: { n: 10, failed: 10 } })
  expect(await ground.store.database.collection('liveScores').countDocuments({ releaseId, pending: true })).toBe(0)
})

it('joins a score whose conversation is told of later, and gives up after an hour', async () => {
  const units = ground.store.database.collection<UnitDocument>('units')
  const scores = ground.store.database.collection('liveScores')
  const served = await serve(names('b', 3), 'candidate', 'a bad answer')
  const told = served.map(({ conversation }) => unitHash('acme', conversation))
  const late = await units.find({ unit: { $in: told } }).toArray()
  expect(late).toHaveLength(3)
  await units.deleteMany({ _id: { $in: late.map(({ _id }) => _id) } })
  expect(await round()).toBe(3)
  expect(await scores.countDocuments({ releaseId, pending: true })).toBe(3)
  await units.insertMany(late.slice(1))
  await round()
  expect(await scores.countDocuments({ releaseId, pending: true })).toBe(1)
  await scores.updateMany({ releaseId }, { $set: { at: new Date(0) } })
  await round()
  expect(await scores.countDocuments({ releaseId, pending: true })).toBe(0)
  expect((await strata())[0]?.candidate.quality).toMatchObject({ [metric]: { n: 2, failed: 2 } })
})

it('keeps nothing of what it read in clear, and says that it read', async () => {
  const [served] = await serve(['b'], 'candidate', 'open sesame')
  await round()
  expect(shown[0]).toContain('open sesame')
  for (const name of ['judgements', 'liveScores', 'units'])
    expect(JSON.stringify(await stored(name))).not.toMatch(/sesame|secret words/)
  const [act] = await captures.audit({ limit: 1 })
  expect(act).toMatchObject({
    act: 'read',
    requestId: served?.requestId,
    by: 'sluice',
    reason: `judged for release ${releaseId}`,
  })
})

it('takes the same share of both arms, by the conversation alone', async () => {
  await serve(names('c', 400), 'candidate', 'a fine answer')
  await serve(
    names('c', 400).map((name) => `x${name}`),
    'incumbent',
    'a fine answer',
  )
  while ((await round({ sampleBasisPoints: 2_000 })) > 0);
  const [row] = await strata()
  for (const arm of ['candidate', 'incumbent'] as const) {
    const n = row?.[arm].quality?.[metric]?.n ?? 0
    expect(n).toBeGreaterThan(40)
    expect(n).toBeLessThan(130)
  }
  const sampled = async () =>
    (await stored('liveScores'))
      .filter((one) => one.releaseId === releaseId)
      .map(({ unit }) => unit)
      .sort()
  const before = await sampled()
  await ground.store.database.collection('liveJudgeCursors').deleteMany({})
  await round({ sampleBasisPoints: 2_000 })
  expect(await sampled()).toEqual(before)
})

it('keeps to its rate and goes on with the oldest', async () => {
  const served = await serve(names('b', 7), 'candidate', 'a bad answer')
  for (const expected of [3, 3, 1, 0]) expect(await round({ perMinute: 3 })).toBe(expected)
  const judged = (await stored('liveScores'))
    .filter((one) => one.releaseId === releaseId)
    .map(({ requestId }) => requestId)
  expect(new Set(judged)).toEqual(new Set(served.map(({ requestId }) => requestId)))
})

it('keeps to a rate of less than one a round', async () => {
  await serve(names('b', 7), 'candidate', 'a bad answer')
  let judged = 0
  for (let times = 0; times < 5; times += 1) judged += await round({ perMinute: 1 }, 1)
  expect(judged).toBeLessThanOrEqual(1)
  expect(await round()).toBe(7 - judged)
})

it('stops at its money, and what it paid stays paid over rounds', async () => {
  await serve(names('b', 30), 'candidate', 'a bad answer')
  // A call costs about 0.0021 USD and may cost 0.033 at worst, so a few fit before the worst would not.
  while ((await round({ budgetUsd: 0.04, perMinute: 5 })) > 0);
  const paid = await ground.store.evidence.results.judgements.paidBy(`live/${releaseId}/${metric}`)
  expect(paid.answers).toBeGreaterThan(0)
  expect(paid.answers).toBeLessThan(30)
  expect(paid.costUsd).toBeLessThanOrEqual(0.04)
})

it('passes over what was not captured, what was erased, and what the judge does not answer', async () => {
  await serve(['not-captured'], 'candidate', 'a bad answer', false)
  const [gone] = await serve(['erased'], 'candidate', 'a bad answer')
  await captures.erase('acme', gone?.conversation ?? '', ann)
  expect(await round()).toBe(0)
  status = 500
  await serve(['unanswered'], 'incumbent', 'a fine answer')
  await round()
  expect((await strata())[0]?.candidate.quality).toBeUndefined()
  expect((await strata())[0]?.incumbent.quality).toBeUndefined()
})

it('is not to be had from applications, which may tell anything', async () => {
  const [served] = await serve(['b'], 'candidate', 'a bad answer')
  const { conversation = '' } = served ?? {}
  const forged = { id: randomUUID(), task, tenant: 'acme', conversation, metric, value: 1, at: 1 }
  await ground.store.telemetry.ingest({ ...emptyBatch('process-1'), lateOutcomes: [forged] }, 'app')
  while ((await ground.store.telemetry.join()) > 0);
  await round()
  expect((await strata())[0]?.candidate.quality).toMatchObject({ [metric]: { n: 1, failed: 1, sum: 0.2 } })
})

it('holds the step with a reason of its own where the lane captures nothing', async () => {
  const { policy } = await fileOf()
  await serve(names('b', 60), 'candidate', 'x', false)
  await serve(names('a', 60), 'incumbent', 'x', false)
  const reporting = { silent: false, full: false, captureOff: true } as const
  const step = { bakeComplete: true, seqs: [seq], units: { candidate: 60, incumbent: 60 } }
  const assessment = assess(inputOf(await strata(), { policy, reporting, step }))
  expect(assessment).toMatchObject({ mayAdvance: false, waitingFor: ['capture_off'] })
  expect(await captures.isOn(environment, task)).toBe(true)
  expect(await captures.isOn(environment, 'other')).toBe(false)
})

describe('rounds of the servers', () => {
  const faults: object[] = []
  const log = { error: (fields: object) => faults.push(fields) } as unknown as Log
  beforeEach(() => faults.splice(0))

  const servers = (holder: string) =>
    new LiveJudges({ store: { ...ground.store, captures }, endpoints, log, holder, roundMs: 60_000 })

  /** An open release of this test's step, with a judge that has an endpoint behind one that has none. */
  async function open(id: string, policy: Digest): Promise<void> {
    const request = { task, change: {}, why: 'a test' }
    await ground.store.releases.adopt({ id, task, request, author: 'ann', workflowId: `release/${id}`, runId: id })
    const plan = { request, task, candidate, policy, lanes: [], steps: [] } as unknown as Plan
    await ground.store.releases.update(id, { plan: await ground.store.releases.putPlan(plan), candidate })
    // Before what is judged was served.
    const createdAt = (await ground.store.database.now()) - 120_000
    await ground.store.database.collection<{ _id: string }>('releases').updateOne({ _id: id }, { $set: { createdAt } })
  }

  async function judged(): Promise<Digest> {
    const about = { semver: '1.0.0', author: 'test', description: 'a policy' }
    const { pricePerMillion } = { pricePerMillion: { input: 2, cachedInput: 1, output: 8 } }
    const content = { endpoint: 'nowhere', model: 'sim-1', pricePerMillion, maxAttempts: 1 }
    await ground.store.catalog.register({ ...about, kind: 'engine', name: 'nowhere', content })
    const own = { ...judge, engine: 'sim@1.0.0', prompt: 'judge@1.0.0' }
    const judges = [{ ...own, metric: 'judged_nowhere', engine: 'nowhere@1.0.0' }, own]
    const guardrails = judges.map((one) => ({ metric: one.metric, custom, role: 'rollback', margin: 0 }))
    const policy = { ...policyWith({ environments: [environment] }), judges, guardrails }
    const made = await ground.store.catalog.register({ ...about, kind: 'policy', name: 'judged', content: policy })
    return made.version.digest
  }

  it('judge every open release, whatever is wrong with another one, and only where the lease is theirs', async () => {
    await open('release-without-a-policy', `sha256:${'9'.repeat(64)}`)
    await open(releaseId, await judged())
    await serve(names('b', 5), 'candidate', 'a bad answer')
    await ground.store.leases.take('judge', 'another server', 60_000)
    await servers('this server').once()
    expect([shown, faults]).toEqual([[], []])
    await ground.store.database.collection('leases').deleteMany({})
    await servers('this server').once()
    expect(shown).toHaveLength(5)
    expect(faults).toEqual([
      expect.objectContaining({ release: 'release-without-a-policy', metric: undefined }),
      expect.objectContaining({ release: releaseId, metric: 'judged_nowhere' }),
    ])
    await servers('another server').once()
    expect(shown).toHaveLength(5)
  })
})
