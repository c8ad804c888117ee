import { randomUUID } from 'node:crypto'
import type { Policy } from '../../../src/domain/policy'
import type { Digest } from '../../../src/domain/version'
import { policyKind } from '../../../src/kinds/policy'
import { loadCallable } from '../../../src/store/evaluation-plan'
import { type EvaluationDeps, runEvaluation } from '../../../src/store/evaluation-run'
import type { Store } from '../../../src/store/store'
import { registration } from '../../support/contents'
import { testStore } from '../../support/ground'
import { type ModelServer, modelServer, says } from '../../support/model-server'

const price = (input: number) => ({ input, cachedInput: input, output: 0 })
const usd = (...prices: readonly number[]) => prices.reduce((sum, one) => sum + one / 1_000, 0)
const rows = ['en', 'en', 'de', 'fr'].map((language, place) => ({
  id: `case-${place}`,
  input: { call: `call ${place} ${'.'.repeat(3_000)}`, tier: 'gold', attributes: { language } },
  expected: { score: 4, tool: 'find' },
}))
const versions: readonly [string, object][] = [
  ...['small', 'large', 'triage'].map((model, place): [string, object] => [
    `engine/${model}@1.0.0`,
    { endpoint: 'models', model, pricePerMillion: price(10 ** place), maxAttempts: 1, seed: place * 10 },
  ]),
  ['prompt/rate@1.0.0', { text: 'Rate {{call}}' }],
  ['prompt/triage@1.0.0', { text: 'Hard for a {{tier}} customer? {{call}}' }],
  ['schema/rating@1.0.0', { type: 'object', properties: { rating: { type: 'number' } }, required: ['rating'] }],
  [
    'tool/find@1.0.0',
    {
      name: 'find',
      description: 'Finds.',
      parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
    },
  ],
  [
    'postprocess/tidy@1.0.0',
    {
      steps: [
        { step: 'rename', keys: { rating: 'score' } },
        { step: 'clamp', key: 'score', max: 5 },
      ],
    },
  ],
  ['postprocess/tight@1.0.0', { steps: [{ step: 'clamp', key: 'score', max: 4 }] }],
  ['postprocess/coded@1.0.0', { code: { digest: `sha256:${'c'.repeat(64)}`, uri: 's3://code/1' } }],
  [
    'router/two@1.0.0',
    {
      candidates: { small: 'small@1.0.0', large: 'large@1.0.0' },
      rules: [{ when: { attribute: 'language', eq: 'de' }, use: 'large' }],
      classifier: {
        engine: 'triage@1.0.0',
        prompt: 'triage@1.0.0',
        labels: { hard: 'large', easy: 'small' },
        onFailure: 'large',
      },
      default: 'small',
      fallbacks: ['large'],
    },
  ],
  ['dataset/calls@1.0.0', { rows }],
  [
    'suite/calls@1.0.0',
    {
      dataset: 'calls@1.0.0',
      scorers: [
        { name: 'score', scorer: 'field', options: { path: 'score' } },
        { name: 'fits', scorer: 'json-schema' },
      ],
      primary: 'score',
      thresholds: { minAccuracy: 0 },
      repeats: 1,
    },
  ],
  [
    'suite/tools@1.0.0',
    {
      dataset: 'calls@1.0.0',
      scorers: [
        { name: 'tool', scorer: 'field', options: { path: 'toolCalls.0.name', expected: 'tool' } },
        { name: 'id', scorer: 'regex', options: { pattern: '"arguments":\\{"id":"7"\\}' } },
      ],
      primary: 'tool',
      thresholds: { minAccuracy: 0 },
    },
  ],
]
const routed = { prompt: 'rate@1.0.0', router: 'two@1.0.0', schema: 'rating@1.0.0' }
const tidied = { ...routed, postprocess: 'tidy@1.0.0' }
const base = policyKind.schema.parse({}) as Policy

let store: Store
let drop: () => Promise<void>
let server: ModelServer
let deps: EvaluationDeps
beforeAll(async () => {
  const ground = await testStore()
  store = ground.store
  drop = ground.drop
  server = await modelServer()
  deps = { ...store, endpoints: { models: { url: server.url } } }
  for (const [ref, content] of versions) await store.catalog.register(registration(ref, content))
  await policyWith('lenient', {})
})
afterAll(async () => {
  await server.stop()
  await drop()
})
beforeEach(() => answers())

const answers = (other: Parameters<ModelServer['answer']>[0] = {}): void =>
  server.answer({
    triage: says('easy', { fingerprint: 'fp_t' }),
    small: says('{"rating": 4}', { fingerprint: 'fp_s' }),
    large: says('{"rating": 9}', { fingerprint: 'fp_l' }),
    ...other,
  })

/** Composites of a prompt that no other test has: each begins without stored results. */
async function compositeOf(roles: Readonly<Record<string, string>>): Promise<Digest> {
  const name = `rate-${randomUUID().slice(0, 8)}`
  await store.catalog.register(registration(`prompt/${name}@1.0.0`, { text: `Rate {{call}} (${name})` }))
  return (await store.catalog.commitComposite({ ...roles, prompt: `${name}@1.0.0` })).id
}

async function policyWith(name: string, test: Partial<Policy['test']>): Promise<Digest> {
  const content = { ...base, test: { ...base.test, ...test } }
  return (await store.catalog.register(registration(`policy/${name}@1.0.0`, content))).version.digest
}

interface Order {
  readonly suite?: string
  readonly policy?: string
  readonly id?: string
  readonly signal?: AbortSignal
}

async function evaluate(candidate: Digest, { suite = 'calls', policy = 'lenient', id, signal }: Order = {}) {
  const digest = async (ref: string) => (await store.catalog.version(ref)).digest
  const of = { suite: await digest(`suite/${suite}@1.0.0`), policy: await digest(`policy/${policy}@1.0.0`) }
  const order = { evaluationId: id ?? randomUUID(), by: 'ann', candidate, ...of }
  return runEvaluation(deps, order, signal ? { signal } : {})
}

const models = () => server.asked.map(({ model }) => model).sort()

describe('a composite with a router', () => {
  it('is run as it is served: rules on the attributes of cases, the classifier, and all that they cost', async () => {
    const { report } = await evaluate(await compositeOf(tidied))
    expect(models()).toEqual(['large', 'small', 'small', 'small', 'triage', 'triage', 'triage'])
    const { candidate, paid } = report
    expect(candidate.branches).toMatchObject([
      { branch: 'label easy: small', results: 3, share: 0.75, accuracy: { mean: 1 }, schemaCompliance: { mean: 1 } },
      { branch: 'rule 0: large', results: 1, share: 0.25, accuracy: { mean: 0 }, costMeanUsd: usd(10) },
    ])
    expect(candidate.branches?.[0]?.costMeanUsd).toBeCloseTo(usd(100, 1), 12)
    expect(candidate.cost.totalUsd).toBeCloseTo(usd(101, 101, 101, 10), 12)
    expect(candidate.tokens.inputMean).toBe((3 * 2_000 + 1_000) / 4)
    expect(paid).toMatchObject({ calls: 7, results: 4, lostCalls: 0 })
    expect(paid.costUsd).toBeCloseTo(candidate.cost.totalUsd, 12)
    expect(candidate.engines.map(({ candidate: of, model, fingerprint }) => [of, model, fingerprint]).sort()).toEqual([
      ['(classifier)', 'triage-1', 'fp_t'],
      ['large', 'large-1', 'fp_l'],
      ['small', 'small-1', 'fp_s'],
    ])
  })

  it('pays no stored case a second time, classifier or not', async () => {
    const composite = await compositeOf(tidied)
    const first = await evaluate(composite)
    answers()
    const again = await evaluate(composite)
    expect(server.asked).toEqual([])
    expect(again.report.paid).toEqual({ calls: 0, results: 0, costUsd: 0, lostCalls: 0 })
    expect(again.report.candidate.branches).toEqual(first.report.candidate.branches)
  })

  it('goes on to its fallback, and counts what was waited for the engine that failed', async () => {
    answers({ small: () => ({ status: 503 }) })
    const { report } = await evaluate(await compositeOf(tidied))
    expect(report.candidate.branches?.map(({ branch, results }) => [branch, results])).toEqual([
      ['label easy: large, fallback 0', 3],
      ['rule 0: large', 1],
    ])
    expect(report.paid).toMatchObject({ calls: 3 * 3 + 1, results: 4, lostCalls: 0 })
  })

  it('keeps what a classifier was paid for cases that no candidate answered, within the budget too', async () => {
    answers({ small: () => ({ status: 503 }), large: () => ({ status: 503 }) })
    const { report } = await evaluate(await compositeOf(tidied))
    expect(report.candidate.errors).toBe(4)
    expect(report.paid).toMatchObject({ calls: 3 + 3 * 2 + 1, lostCalls: 10 })
    expect(report.paid.costUsd).toBeCloseTo(usd(100, 100, 100), 12)
  })

  it('stops on its budget before a request could exceed it at its worst', async () => {
    await policyWith('poor', { budgetUsd: usd(101, 101) })
    const { verdict, report } = await evaluate(await compositeOf(tidied), { policy: 'poor' })
    expect(verdict).toBe('no_evidence')
    expect(report.paid.costUsd).toBeLessThanOrEqual(usd(101, 101))
    expect(report.candidate.results).toBeLessThan(4)
  })

  it('waits as retry-after says for every engine of it, and takes no refusal for a failure', async () => {
    let refusals = 0
    const once = (content: string) => () =>
      refusals++ < 2 ? { status: 429, headers: { 'retry-after': '0' } } : { status: 200, content }
    answers({ triage: once('hard'), large: once('{"rating": 9}') })
    const { report } = await evaluate(await compositeOf(tidied))
    expect(refusals).toBeGreaterThan(2)
    expect(report.candidate.branches?.map(({ branch, results }) => [branch, results])).toEqual([
      ['label hard: large', 3],
      ['rule 0: large', 1],
    ])
  })

  it('counts the calls in flight when it is cut off, and pays only for what has no result', async () => {
    const composite = await compositeOf(tidied)
    const cut = new AbortController()
    answers({
      small: () => {
        cut.abort(new Error('killed'))
        return undefined
      },
    })
    const id = randomUUID()
    await expect(evaluate(composite, { id, signal: cut.signal })).rejects.toThrow('killed')
    answers()
    const { report } = await evaluate(composite, { id })
    expect(report.candidate.results).toBe(4)
    // At least the candidate's call that was never answered, and the classifier's before it.
    expect(report.paid.lostCalls).toBeGreaterThanOrEqual(2)
    // What the classifier was paid for cases that were cut off is paid again, and told.
    const twice = report.paid.costUsd - report.candidate.cost.totalUsd
    expect(twice).toBeGreaterThanOrEqual(usd(100) - 1e-9)
    expect(twice).toBeLessThanOrEqual(usd(100, 100, 100) + 1e-9)
  })

  it('gives every repeat and every engine a seed of its own', async () => {
    const { composite, pipeline } = await loadCallable(store.catalog, await compositeOf(tidied))
    expect('engines' in pipeline.engine).toBe(true)
    await evaluate(composite)
    const seeds = server.asked.map(({ model, seed }) => `${model} ${seed}`)
    expect([...new Set(seeds)].sort()).toEqual(['large 10', 'small 0', 'triage 20'])
  })

  it('says that evidence is void when the provider of one candidate changes, or of the classifier', async () => {
    for (const drifted of ['large', 'triage']) {
      answers()
      const composite = await compositeOf(tidied)
      const key = { candidate: composite, ...(await keyOf()) }
      expect((await evaluate(composite)).verdict).toBe('pass')
      const candidate = drifted === 'triage' ? '(classifier)' : drifted
      const heard = [{ model: `${drifted}-1`, fingerprint: 'fp_new', candidate }]
      const of = { basis: 'reproduction', by: 'ann', reason: 'heard of it' } as const
      expect(await store.providers.measured(composite, heard, of)).toBe(true)
      expect(await store.evidence.passing(key)).toBe(false)
      answers({ [drifted]: says(drifted === 'triage' ? 'easy' : '{"rating": 9}', { fingerprint: 'fp_new' }) })
      const again = await evaluate(composite)
      expect([again.verdict, again.report.paid.calls]).toEqual(['pass', 7])
      expect(await store.evidence.passing(key)).toBe(true)
    }
  })

  it('refuses attributes of cases that are none, before anything is paid', async () => {
    const bad = [{ id: 'one', input: { call: 'x', tier: 'gold', attributes: { language: ['de'] } } }]
    await store.catalog.register(registration('dataset/bad@1.0.0', { rows: bad }))
    const suite = versions.find(([ref]) => ref === 'suite/calls@1.0.0')?.[1]
    await store.catalog.register(registration('suite/bad@1.0.0', { ...suite, dataset: 'bad@1.0.0' }))
    await expect(evaluate(await compositeOf(tidied), { suite: 'bad' })).rejects.toMatchObject({
      code: 'invalid_content',
      message: expect.stringContaining('attributes of one'),
    })
    expect(server.asked).toEqual([])
  })
})

async function keyOf() {
  const suite = (await store.catalog.version('suite/calls@1.0.0')).digest
  return { suite, policy: (await store.catalog.version('policy/lenient@1.0.0')).digest }
}

describe('a composite with post-processing', () => {
  it('is scored on what applications get, and keeps what the engine wrote', async () => {
    const composite = await compositeOf({ engine: 'large@1.0.0', schema: 'rating@1.0.0', postprocess: 'tidy@1.0.0' })
    const { report } = await evaluate(composite)
    expect(report.candidate.scores).toMatchObject({ score: { mean: 0 }, fits: { mean: 1 } })
    const tight = await compositeOf({
      ...{ engine: 'large@1.0.0', schema: 'rating@1.0.0' },
      ...{ 'postprocess.a': 'tidy@1.0.0', 'postprocess.b': 'tight@1.0.0' },
    })
    expect((await evaluate(tight)).report.candidate.scores).toMatchObject({ score: { mean: 1 }, fits: { mean: 1 } })
    for await (const { result } of store.evidence.results.each({ composite: tight, suite: (await keyOf()).suite })) {
      expect(result.text).toBe('{"rating": 9}')
    }
  })

  it('does not post-process what does not fit the schema', async () => {
    answers({ large: says('{"score": 4}') })
    const { report } = await evaluate(
      await compositeOf({ engine: 'large@1.0.0', schema: 'rating@1.0.0', postprocess: 'tidy@1.0.0' }),
    )
    expect(report.candidate.schemaCompliance.mean).toBe(0)
    expect(report.candidate.scores.fits?.mean).toBe(0)
  })

  it('is refused where code does it that only applications have', async () => {
    const { id } = await store.catalog.commitComposite({
      ...{ prompt: 'rate@1.0.0', engine: 'small@1.0.0', postprocess: 'coded@1.0.0' },
    })
    await expect(loadCallable(store.catalog, id)).rejects.toMatchObject({
      code: 'invalid_content',
      details: { roles: ['postprocess'] },
    })
  })
})

describe('a composite with tools', () => {
  const call = (given: string) => ({ id: randomUUID(), type: 'function', function: { name: 'find', arguments: given } })
  const offering = { engine: 'small@1.0.0', schema: 'rating@1.0.0', tool: 'find@1.0.0' }

  it('offers them, and scorers see what was called with what', async () => {
    answers({ small: () => ({ status: 200, tool: call('{ "id": "7" }') }) })
    const { report } = await evaluate(await compositeOf(offering), { suite: 'tools' })
    expect(server.asked.every(({ tools }) => tools !== undefined)).toBe(true)
    expect(report.candidate).toMatchObject({
      scores: { tool: { mean: 1 }, id: { mean: 1 } },
      schemaCompliance: { mean: 1 },
    })
  })

  it('takes arguments that do not fit for an answer that does not', async () => {
    answers({ small: () => ({ status: 200, tool: call('{"number": 7}') }) })
    const { report } = await evaluate(await compositeOf(offering), { suite: 'tools' })
    expect(report.candidate).toMatchObject({ scores: { tool: { mean: 1 } }, schemaCompliance: { mean: 0 } })
  })
})
