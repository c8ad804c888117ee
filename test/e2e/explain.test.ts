import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ProviderChange } from '../../src/domain/provider-change'
import { defaultRetention } from '../../src/domain/retention'
import { connect, type Serving, type Sluice } from '../../src/sdk'
import { runEvaluation } from '../../src/store/evaluation-run'
import type { ExplainedRequest } from '../../src/store/explainer'
import { dropOutputs } from '../../src/store/garbage-outputs'
import type { Reproduction } from '../../src/store/reproductions'
import { ageLedgers } from '../support/aged-ledger'
import { airlineCases } from '../support/airline'
import { type CliGround, cliGround } from '../support/cli-ground'
import { tamperWithRequest } from '../support/logged-requests'
import { until } from '../support/until'

const environment = 'production'
const tenant = 'acme'
const dayMs = 24 * 3_600_000
const transcript = airlineCases()[3]?.input.transcript ?? ''

let ground: CliGround
let sluice: Sluice
beforeAll(async () => {
  ground = await cliGround()
  await ground.settleFirst()
  await ground.store.tenants.put(tenant, { ring: 'early' }, { by: 'ann', reason: 'signed' })
  const set = ['capture', 'set', ground.task, '--env', environment, '--share', '100', '--days', '180']
  expect((await ground.sluice(...set, '--reason', 'to look back')).code).toBe(0)
})
afterAll(async () => {
  await sluice?.shutdown()
  await ground.end()
})

/** An application that has the newest entry and knows what is to be captured. */
async function application(): Promise<Sluice> {
  const { headSeq } = await ground.lane()
  await until('the server serves the newest entry and the wish to capture', async () => {
    const response = await fetch(`${ground.url}/v1/snapshot?environment=${environment}`, {
      headers: { authorization: `Bearer ${ground.key}` },
    })
    const { lanes } = (await response.json()) as {
      lanes: Record<string, { capture?: object; entries: { seq: number }[] }>
    }
    const lane = lanes[ground.task]
    return lane?.capture !== undefined && lane.entries.at(-1)?.seq === headSeq
  })
  return connect({ url: ground.url, apiKey: ground.key, environment, endpoints: ground.endpoints })
}

async function serve(requestId: string, conversation: string): Promise<Serving> {
  const { headAt } = await ground.lane()
  const serving = sluice.resolve(ground.task, { tenant, conversation, startedAt: Math.max(headAt, Date.now()) })
  if (serving.skip !== undefined) throw new Error(`skipped: ${serving.skip}`)
  await serving.run({ transcript }, { requestId })
  await sluice.flush()
  return serving
}

const explained = (id: string) => ground.json<ExplainedRequest & { next: object }>('explain', id)
const reproduced = (...args: readonly string[]) => ground.json<Reproduction>('reproduce', ...args)

describe('a request of three months ago, by a candidate that went back', () => {
  let releaseId: string

  beforeAll(async () => {
    const policy = await ground.policy('open-for-long', {
      pilot: undefined as never,
      steps: [{ basisPoints: 10_000, bakeMs: 3_600_000, minimumSample: 10 }],
    })
    const { id } = await ground.start(ground.request('1.1.0', policy))
    releaseId = id
    await ground.reaches(id, ({ step }) => step === 'rollout-1')
    sluice = await application()
    await serve('r-march', 'c-march')
    await serve('r-erased', 'c-erased')
    await ground.sluice('release', 'rollback', id, '--reason', 'too strict')
    await ground.ended(id)
    await ground.lift()
    await ageLedgers(ground.store, { environment, task: ground.task, tenant, byMs: 92 * dayMs })
    // The registry goes on: another version is released and settles today.
    const quick = await ground.policy('straight', { pilot: undefined as never, steps: [] })
    const later = await ground.start(ground.request('1.2.0', quick))
    expect((await ground.ended(later.id)).phase).toBe('done')
  })

  it('is explained: log, ledgers as of the logged heads and composite agree, and the chains hold', async () => {
    const answer = await explained('r-march')
    expect(answer).toMatchObject({ agrees: true, differences: [], missing: [], capture: { state: 'kept' } })
    expect(answer.logged).toMatchObject({ arm: 'candidate', tenantSeq: 1 })
    expect(answer.roles.map(({ ref, valid }) => [ref, valid])).toContainEqual(['prompt/csat@1.1.0', true])
    expect(answer.chains).toMatchObject({ lane: { seq: 2, length: 4, holds: true }, tenant: { seq: 1, holds: true } })
    expect(answer.entry).toMatchObject({ releaseId, cause: 'step' })
    expect(answer.tenantEntry?.state.ring).toBe('early')
    expect(answer.evidence[0]).toMatchObject({ verdict: 'pass' })
    const said = (await ground.sluice('explain', 'r-march')).out
    for (const text of ['entry 2 of 4', 'ring early', 'prompt/csat@1.1.0', 'agree']) expect(said).toContain(text)
  })

  it('is reproduced from what was captured, and fits', async () => {
    const run = await reproduced('r-march', '-n', '10')
    expect(run).toMatchObject({
      state: 'done',
      inputFrom: 'captured',
      repeats: 10,
      progress: { paidUsd: expect.any(Number) },
    })
    expect(run.result?.finding).toMatchObject({ verdict: 'fits', alpha: 0.05, belonging: { matches: 1, repeats: 10 } })
    expect(run.result?.provider.same).toBe('same')
    const stored = JSON.stringify(await ground.store.database.collection('reproductions').find().toArray())
    expect(stored).not.toContain(transcript.slice(0, 40))
    const said = await ground.sluice('reproduce', 'r-march', '-n', '20')
    expect([said.code, said.out]).toEqual([0, expect.stringMatching(/^verdict +fits: /)])
    expect(said.out).toContain('is noticed in 80 of 100')
  })

  it('is reproduced from a file, with an output that it never gave', async () => {
    const other = { input: { transcript }, output: { csat: 'never', resolved: 'never' } }
    const file = ground.file('request.json', JSON.stringify(other))
    const run = await ground.sluice('reproduce', 'r-march', '--input', file, '-n', '20', '--json')
    const { result, inputFrom } = JSON.parse(run.out) as Reproduction
    expect([run.code, inputFrom, result?.finding.verdict]).toEqual([1, 'given', 'does_not_fit'])
    const plain = ground.file('variables.json', JSON.stringify({ transcript }))
    const alone = await reproduced('r-march', '--input', plain, '-n', '2')
    expect(alone.result?.finding).toMatchObject({ verdict: 'cannot_tell' })
  })

  it.each([
    ['a request that is in no log', ['r-nobody'], 'rows are kept 180 days'],
    ['a file that is none', ['r-march', '--input', 'absent.json'], 'malformed_file'],
    ['a budget that pays for no call', ['r-march', '--budget', '0.0000001'], 'Raise the budget'],
  ])('is refused with what to do: %s', async (_, args, text) => {
    const run = await ground.sluice('reproduce', ...args)
    expect([run.code, run.err]).toEqual([1, expect.stringContaining(text)])
  })

  it('refuses variables that the pinned prompt does not have', async () => {
    const file = ground.file('wrong.json', '{"transkript": "x"}')
    const run = await ground.sluice('reproduce', 'r-march', '--input', file)
    expect([run.code, run.err]).toEqual([1, expect.stringContaining('prompt_variables')])
  })

  it('says by whom and when its content was erased, and what that leaves', async () => {
    const erase = () => ground.sluice('erase', '--tenant', tenant, '--conversation', 'c-erased', '--reason', 'asked')
    expect((await erase()).out).toContain('nobody can read them again')
    expect((await erase()).out).toContain('by ann already')
    const answer = await explained('r-erased')
    expect(answer).toMatchObject({ agrees: true, capture: { state: 'erased', by: 'ann', reason: 'asked' } })
    expect(answer.missing).toMatchObject([{ what: 'input_and_output', why: expect.stringContaining('by ann') }])
    for (const args of [
      ['reproduce', 'r-erased'],
      ['capture', 'show', 'r-erased', '--reason', 'x'],
    ]) {
      const run = await ground.sluice(...args)
      expect([run.code, run.err]).toEqual([1, expect.stringMatching(/capture_erased: .* by ann/)])
    }
    expect((await ground.sluice('capture', 'show', 'r-march', '--reason', 'a complaint')).out).toContain('transcript: ')
    const { items } = await ground.json<{ items: { act: string; by: string }[] }>('capture', 'audit')
    expect(items[0]).toMatchObject({ act: 'read', by: 'ann', reason: 'a complaint' })
  })

  it('is not read by a key of an application', async () => {
    const key = await ground.store.keys.create('the app', 'app')
    for (const [method, path] of [
      ['GET', '/v1/requests/r-march/capture'],
      ['GET', '/v1/requests/r-march/explanation'],
      ['DELETE', '/v1/captures?tenant=acme&conversation=c-march'],
      ['POST', '/v1/requests/r-march/reproductions'],
    ]) {
      const body = method === 'POST' ? { body: '{}' } : {}
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const response = await fetch(ground.url + path, { method: method ?? 'GET', headers, ...body })
      expect([path, response.status]).toEqual([path, 403])
    }
  })

  it('is what docs/explain.md shows, command by command', async () => {
    const blocks = [...readFileSync('docs/explain.md', 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(
      ([, text = '']) => text,
    )
    const lines = blocks.flatMap((text) => text.trim().split('\n'))
    ground.file('request.json', JSON.stringify({ transcript }))
    for (const line of lines) {
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
      const args = words.slice(1).map((word) => (word === 'csat-scoring' ? ground.task : word))
      const { code, err } = await ground.sluice(...args)
      expect([line, code, err.replaceAll(/^(reproduction|\d+ of).*\n/gm, '')]).toEqual([line, 0, ''])
    }
    expect(lines.length).toBeGreaterThan(8)
  })

  it('is reproduced without the outputs of its evaluation, and told which run of retention dropped them', async () => {
    const { database } = ground.store
    const before = await database.collection('eval_results').find().toArray()
    const nothing = { size: 0, isNeeded: () => false, path: () => [] }
    const rules = { policy: defaultRetention, now: Date.now() + 2 * defaultRetention.experimentDays * dayMs }
    const counted = { count: async () => undefined, proceed: () => undefined }
    await dropOutputs(database, nothing, { ...rules, ...counted, id: 'run-1', by: 'ann' })
    const run = await reproduced('r-march', '-n', '2')
    for (const document of before) await database.collection('eval_results').replaceOne({ _id: document._id }, document)
    expect(run.result?.missing).toEqual([
      expect.stringMatching(
        /^the outputs of evaluated cases of sha256:\w+ were dropped at \S+ by ann in the run run-1 of retention: /,
      ),
    ])
    expect((await reproduced('r-march', '-n', '2')).result?.missing).toEqual([
      expect.stringContaining('no evaluated case has two outputs or more'),
    ])
  })

  it('names what retention dropped, and answers the rest', async () => {
    const { database } = ground.store
    const version = await database
      .collection('versions')
      .findOneAndDelete({ kind: 'prompt', name: 'csat', semver: '1.1.0' })
    const sets = await database.collection('row_sets').find().toArray()
    await database.collection('row_sets').deleteMany({})
    const answer = await explained('r-march')
    expect(answer.agrees).toBe(true)
    expect(answer.roles.find(({ role }) => role === 'prompt')).toMatchObject({ ref: 'prompt/csat@1.1.0', valid: false })
    expect(answer.missing.map(({ what, of }) => [what, of])).toEqual([
      ['content', 'prompt/csat@1.1.0'],
      ['evidence', expect.stringMatching(/^the cases of sha256:/)],
    ])
    const run = await ground.sluice('reproduce', 'r-march')
    // The staging lane was not aged, and its snapshot still needs it.
    if (version) await database.collection('versions').insertOne(version)
    await database.collection('row_sets').insertMany(sets)
    expect(run.code).not.toBe(0)
    expect(run.err).toContain('prompt/csat@1.1.0')
  })

  it('disagrees where somebody altered the ledger', async () => {
    const allocations = ground.store.database.collection<{ _id: string }>('allocations')
    const _id = `${environment}/${ground.task}/1`
    const before = await allocations.findOne({ _id })
    await allocations.updateOne({ _id }, { $set: { by: 'mallory' } })
    const run = await ground.sluice('explain', 'r-march')
    expect([run.code, run.out]).toEqual([1, expect.stringContaining('lane entry 2 is BROKEN')])
    if (before) await allocations.replaceOne({ _id }, before)
  })

  it('whose row the log no longer holds is told to be so', async () => {
    await tamperWithRequest(ground.store, 'r-march', () => undefined)
    const run = await ground.sluice('explain', 'r-march')
    expect([run.code, run.err]).toEqual([1, expect.stringContaining('its row expired, for rows are kept 180 days')])
  })
})

describe('a provider that returns another fingerprint', () => {
  const of = { basis: 'evaluation', by: 'sluice', reason: 'seen' } as const
  const change = async (candidate: string): Promise<void> => {
    const composite = candidate as `sha256:${string}`
    const [known] = (await ground.store.evidence.verdicts({ candidate: composite, limit: 1 })).flatMap(
      ({ report }) => report.candidate.engines,
    )
    await ground.store.providers.measured(composite, [{ model: known?.model ?? '', fingerprint: randomUUID() }], of)
  }
  const testAgain = async (releaseId: string): Promise<void> => {
    const record = await ground.store.releases.get(releaseId)
    const plan = await ground.store.releases.plan(record.plan ?? 'sha256:')
    const { incumbent } = await ground.lane()
    const key = { candidate: plan.candidate, suite: plan.suite, policy: plan.policy }
    const deps = { ...ground.store, endpoints: ground.endpoints }
    const order = { ...key, evaluationId: randomUUID(), by: 'ann', ...(incumbent ? { incumbent } : {}) }
    expect((await runEvaluation(deps, order)).verdict).toBe('pass')
  }
  const running = async (name: string, policy: object): Promise<{ id: string; candidate: string }> => {
    const ref = await ground.policy(name, {
      pilot: undefined as never,
      steps: [
        { basisPoints: 5_000, bakeMs: 1_000, minimumSample: 0 },
        { basisPoints: 10_000, bakeMs: 0, minimumSample: 0 },
      ],
      ...policy,
    })
    const { id } = await ground.start(ground.request('1.3.0', ref))
    const { candidate = '' } = await ground.reaches(id, ({ step }) => step === 'rollout-1')
    return { id, candidate }
  }

  it('pauses a running release whose policy says so, and lets it go on once the suite was run again', async () => {
    const { id, candidate } = await running('pausing', { onProviderChange: 'pause' })
    await change(candidate)
    const pauses = async () => (await ground.store.releases.decisions(id)).filter(({ kind }) => kind === 'pause')
    await until('the guardrail pauses it', async () => (await pauses()).length > 0)
    expect((await pauses())[0]).toMatchObject({
      by: 'guardrail',
      reason: expect.stringContaining('instead of'),
    })
    expect((await ground.sluice('active')).out).toMatch(/provider +sha256:\w+ returns .* its evidence is void/)
    expect((await ground.sluice('release', 'show', id)).out).toMatch(/^provider +sha256:/m)
    const { findings } = JSON.parse((await ground.sluice('doctor', '--json')).out)
    expect(JSON.stringify(findings)).toContain('its evidence is void')
    await testAgain(id)
    await ground.sluice('release', 'resume', id, '--reason', 'tested again')
    expect((await ground.ended(id)).phase).toBe('done')
    const { changes } = await ground.json<{ changes: (ProviderChange & { renewed: boolean })[] }>('provider', 'ls')
    expect(changes).toMatchObject([{ composite: candidate, renewed: true, basis: 'evaluation' }])
    await ground.sluice('rollback', ground.task, '--env', environment, '--reason', 'again')
    await ground.lift()
  })

  it('otherwise holds its next step until then, and takes nothing back', async () => {
    const { id, candidate } = await running('notified', {})
    await change(candidate)
    const { workflowId } = await ground.store.releases.get(id)
    await until('the next step waits for evidence', async () => {
      const { raw } = await ground.client.workflow.getHandle(workflowId).describe()
      return (raw.pendingActivities ?? []).some(({ lastFailure }) => lastFailure?.message?.includes('provider change'))
    })
    expect((await ground.store.releases.get(id)).phase).toBe('running')
    await testAgain(id)
    expect((await ground.ended(id)).phase).toBe('done')
  })
})
