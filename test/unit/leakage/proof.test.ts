import { leakageCheck } from '../../../src/domain/leakage'
import type { Policy } from '../../../src/domain/policy'
import type { Digest } from '../../../src/domain/version'
import { runEvaluation } from '../../../src/store/evaluation-run'
import { airlineCases } from '../../support/airline'
import { registration } from '../../support/contents'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'

const artifact = { digest: `sha256:${'a'.repeat(64)}`, uri: 's3://models/a' }
const cases = airlineCases().slice(0, 12)
const [first, second, third] = cases.map(({ input }) => input.transcript) as [string, string, string]
const clean = [...Array(30).keys()].map((index) => ({
  text: `A question about luggage number ${index}`,
  label: 'luggage',
}))

let ground: EvaluationGround
beforeAll(async () => {
  ground = await evaluationGround({ cases: cases.length })
})
afterAll(() => ground.end())

const put = async (ref: string, content: unknown): Promise<Digest> =>
  (await ground.store.catalog.register(registration(ref, content))).version.digest

/** A model trained on these rows, and a composite with it. */
async function trainedOn(name: string, rows: readonly unknown[]): Promise<Digest> {
  await put(`dataset/${name}@1.0.0`, { rows })
  await put(`model/${name}@1.0.0`, {
    bases: [{ provider: 'openai', name: 'small-1' }],
    datasets: { train: [`${name}@1.0.0`] },
    steps: [{ name: 'fine-tune', code: artifact.digest, parameters: {} }],
    checkpoint: artifact,
  })
  return compositeWith({ model: `${name}@1.0.0` })
}

const compositeWith = async (roles: Readonly<Record<string, string>>): Promise<Digest> => {
  const base = { prompt: 'csat@1.0.0', engine: 'simulated@1.0.0', schema: 'csat-report@1.0.0' }
  return (await ground.store.catalog.commitComposite({ ...base, ...roles })).id
}

const prove = (composite: Digest) => ground.store.leakage.prove({ composite, suite: ground.suite })
const stored = () => ground.store.database.collection('leakage_proofs').countDocuments()

describe('a leakage proof', () => {
  it('names the row that is a case, the row that has its text, and the one that is nearly so', async () => {
    const leaky = [
      ...clean,
      cases[0],
      {
        id: 'chat-7',
        messages: [
          { role: 'user', content: second.toUpperCase() },
          { role: 'assistant', content: 'ok' },
        ],
      },
      { id: 'edited-3', text: third.replaceAll('reservation', 'booking'), label: 'x' },
    ]
    const report = await prove(await trainedOn('leaky', leaky))
    expect(report).toMatchObject({ result: 'leaked', leakedRows: 3 })
    const source = report.sources.find(({ kind }) => kind === 'dataset')
    expect(source).toMatchObject({ role: 'model', path: ['model/leaky@1.0.0', 'dataset/leaky@1.0.0'] })
    expect(source?.proof).toMatchObject({ rows: 33, caseCount: 12, wordlessCases: 0, method: 'minhash-1' })
    const rows = new Map<string, Digest>()
    const content = (await ground.store.catalog.version('dataset/leaky@1.0.0')).content as { root: Digest }
    for await (const { digest, row } of ground.store.catalog.rows(content.root)) {
      rows.set(String((row as { id?: unknown }).id), digest)
    }
    const hits = new Map(source?.proof?.hits.map((hit) => [hit.rowId, hit]))
    expect(hits.get('airline-00-0')).toMatchObject({ match: 'row', similarity: 1, caseId: 'airline-00-0' })
    expect(hits.get('airline-00-0')?.case).toBe(hits.get('airline-00-0')?.row)
    expect(hits.get('chat-7')).toMatchObject({
      match: 'text',
      similarity: 1,
      caseId: cases[1]?.id,
      row: rows.get('chat-7'),
    })
    const near = hits.get('edited-3')
    expect(near).toMatchObject({ match: 'near', caseId: cases[2]?.id })
    expect(near?.similarity).toBeLessThan(1)
    expect(near?.similarity).toBeGreaterThan(0.5)
  })

  it('finds an example written into a prompt, and data behind an index and behind the model of a model', async () => {
    await put('prompt/shots@1.0.0', {
      messages: [
        { role: 'system', content: 'Judge the call.' },
        { role: 'user', content: first },
        { role: 'assistant', content: '{"resolved": true}' },
        { role: 'user', content: '{{transcript}}' },
      ],
    })
    const shots = await prove(await compositeWith({ prompt: 'shots@1.0.0' }))
    const leaked = shots.sources.filter(({ proof }) => (proof?.leakedRows ?? 0) > 0)
    expect(leaked.map(({ path, proof }) => [path, proof?.hits[0]?.caseId])).toEqual([
      [['prompt/shots@1.0.0'], cases[0]?.id],
    ])

    await put('embedding/small@1.0.0', {
      endpoint: 'simulated',
      model: 'embed-1',
      dimensions: 8,
      pricePerMillion: 0.02,
    })
    await put('index/kb@1.0.0', { embedding: 'small@1.0.0', dataset: 'leaky@1.0.0', artifact })
    const indexed = await prove(await compositeWith({ index: 'kb@1.0.0' }))
    expect(indexed.sources.find(({ kind }) => kind === 'dataset')?.path).toEqual([
      'index/kb@1.0.0',
      'dataset/leaky@1.0.0',
    ])

    await put('dataset/luggage@1.0.0', { rows: clean })
    await put('model/second@1.0.0', {
      bases: [{ model: 'leaky@1.0.0' }],
      datasets: { train: ['luggage@1.0.0'] },
      steps: [{ name: 'fine-tune', code: artifact.digest, parameters: {} }],
      checkpoint: artifact,
    })
    const tuned = await prove(await compositeWith({ model: 'second@1.0.0' }))
    const way = ['model/second@1.0.0', 'model/leaky@1.0.0', 'dataset/leaky@1.0.0']
    expect(tuned.sources.map(({ path }) => path)).toContainEqual(way)
    expect(tuned).toMatchObject({ result: 'leaked', leakedRows: 3 })
  })

  it('is made once for each version: another composite compares only what is new to it', async () => {
    const before = await prove(await compositeWith({ model: 'leaky@1.0.0' }))
    const count = await stored()
    const again = await prove(await compositeWith({ model: 'leaky@1.0.0' }))
    expect([again, await stored()]).toEqual([before, count])
    const progress: unknown[] = []
    const composite = await compositeWith({ model: 'leaky@1.0.0', prompt: 'csat@1.2.0' })
    await ground.store.leakage.prove({ composite, suite: ground.suite }, { onProgress: (one) => progress.push(one) })
    expect(progress).toEqual([{ rows: 1, of: 1 }])
    expect(await stored()).toBe(count + 1)
    // Two processes at once write the same.
    const raced = await compositeWith({ prompt: 'csat@1.3.0' })
    const [left, right] = await Promise.all([prove(raced), prove(raced)])
    expect({ ...left, sources: [] }).toEqual({ ...right, sources: [] })
    expect(await stored()).toBe(count + 2)
  })

  it('stops when told to, keeps what it proved, and goes on from there', async () => {
    const composite = await trainedOn('slow', [...clean, { text: 'one more' }])
    const stopping = new AbortController()
    const count = await stored()
    const onProgress = ({ rows }: { rows: number }) => {
      if (rows === 5) stopping.abort(new Error('told to stop'))
    }
    const question = { composite, suite: ground.suite }
    await expect(ground.store.leakage.prove(question, { signal: stopping.signal, onProgress })).rejects.toThrow(
      'told to stop',
    )
    const known = await ground.store.leakage.known(question)
    expect(known.result).toBeUndefined()
    expect(await stored()).toBe(count + 1)
    expect(await prove(composite)).toMatchObject({ result: 'pass' })
  })

  it('trusts no row that was altered, and stores nothing of it', async () => {
    const composite = await trainedOn('altered', [{ text: 'a row that somebody changes later' }])
    const rows = ground.store.database.collection<{ _id: string; text: string }>('rows')
    const changed = { text: '{"text":"a row that somebody changed later"}' }
    await rows.updateOne({ text: /somebody changes later/ }, { $set: changed })
    await expect(prove(composite)).rejects.toMatchObject({ code: 'digest_mismatch' })
    expect(await ground.store.database.collection('leakage_proofs').findOne({ rows: 1, kind: 'dataset' })).toBeNull()
  })

  it('has no evidence of a dataset whose rows are not here', async () => {
    const composite = await trainedOn('elsewhere', [{ text: 'a row that never came along' }])
    const { content } = await ground.store.catalog.version('dataset/elsewhere@1.0.0')
    const root = (content as { root: string }).root
    await ground.store.database.collection<{ _id: string }>('row_sets').deleteOne({ _id: root })
    const report = await prove(composite)
    expect(report.result).toBe('no_evidence')
    const check = leakageCheck(report, {})
    expect(check).toMatchObject({ verdict: 'no_evidence', text: expect.stringContaining('dataset/elsewhere@1.0.0') })
    expect(leakageCheck(report, { leakage: { allow: ['dataset/elsewhere'] } }).verdict).toBe('pass')
  })
})

describe('the test stage', () => {
  const evaluate = async (candidate: Digest, evaluationId: string, policy = ground.policy) =>
    runEvaluation(ground.deps, { evaluationId, by: 'ann', candidate, suite: ground.suite, policy })

  it('fails a candidate that may know the cases before it pays for one of them', async () => {
    const candidate = await compositeWith({ model: 'leaky@1.0.0' })
    const calls = ground.engine.requests()
    const verdict = await evaluate(candidate, 'leaked')
    expect(verdict).toMatchObject({ verdict: 'fail', report: { paid: { calls: 0, costUsd: 0 } } })
    expect(verdict.report.checks.map(({ name }) => name)).toEqual(['leakage'])
    expect(ground.engine.requests()).toBe(calls)
    const [reason = ''] = verdict.reasons
    expect(reason).toMatch(/^3 rows behind the candidate would give cases of the suite away/)
    expect(reason).toMatch(/row \S+ \(sha256:[0-9a-f]{64}\) of dataset\/leaky@1\.0\.0/)
    expect(reason).toMatch(/case airline-0\d-\d \(sha256:[0-9a-f]{64}\)/)
    const key = { candidate, suite: ground.suite, policy: ground.policy }
    expect(await ground.store.evidence.passing(key)).toBe(false)
  })

  it('lets it pass where the policy excepts the dataset by name, and says so', async () => {
    const base = (await ground.store.catalog.byDigest('policy', ground.policy)).content as Policy
    const policy = await put('policy/lenient@1.0.0', { ...base, leakage: { allow: ['dataset/leaky'] } })
    const verdict = await evaluate(await compositeWith({ model: 'leaky@1.0.0' }), 'excepted', policy)
    const [check] = verdict.report.checks
    expect(check).toMatchObject({
      name: 'leakage',
      verdict: 'pass',
      text: expect.stringContaining('dataset/leaky is excepted'),
    })
    expect(verdict.report.paid.calls).toBe(12)
  })

  it('has proved it for every candidate that passes', async () => {
    const verdict = await evaluate(await ground.composite('1.0.0'), 'sound')
    const [check] = verdict.report.checks
    expect(check).toEqual({
      name: 'leakage',
      verdict: 'pass',
      value: 0,
      limit: 0,
      text: 'No case of the suite is in the 3 rows of the 0 datasets and 3 other versions behind the candidate.',
    })
  })

  it('shows that it is alive while it compares, for a silent run counts as lost', async () => {
    const seen: unknown[] = []
    const { evaluations } = ground.store
    const progress: typeof evaluations.progress = (id, one) => {
      seen.push(one)
      return evaluations.progress(id, one)
    }
    const candidate = await trainedOn('long', [cases[3], ...clean])
    const order = { evaluationId: 'long', by: 'ann', candidate, suite: ground.suite, policy: ground.policy }
    const verdict = await runEvaluation({ ...ground.deps, evaluations: { ...evaluations, progress } }, order)
    expect(verdict.verdict).toBe('fail')
    expect(seen).toContainEqual({ done: 0, total: 0, fromStore: 0, paidUsd: 0 })
  })

  it('takes for an exception only what can be an artifact', async () => {
    const bad = put('policy/bad@1.0.0', { leakage: { allow: ['leaky'] } })
    await expect(bad).rejects.toMatchObject({ code: 'invalid_content' })
  })
})
