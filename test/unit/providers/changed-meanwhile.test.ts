import { randomUUID } from 'node:crypto'
import type { Digest } from '../../../src/domain/version'
import { runEvaluation } from '../../../src/store/evaluation-run'
import type { RawResult, ResultKey, ResultStore } from '../../../src/store/evidence-results'
import type { JudgementStore } from '../../../src/store/judgements'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'

const heard = { basis: 'person', by: 'ann', reason: 'the provider told us' } as const
const answers = { model: 'sim-small-1', fingerprint: 'fp_small_1' }

describe('a provider that changes between a call and its answer', () => {
  let ground: EvaluationGround
  let policy: Digest
  beforeAll(async () => {
    ground = await evaluationGround({ cases: 12 })
    policy = await ground.policyWith('lenient', { schemaComplianceMin: 0, regressionMargin: 1 })
  })
  afterAll(() => ground.end())

  /** The subject is known to answer as something else, and is told to have changed when `change` is called first. */
  async function changeOf(subject: Digest): Promise<() => Promise<void>> {
    const { providers } = ground.store
    await providers.measured(subject, [{ ...answers, fingerprint: 'fp_before' }], heard)
    let change: Promise<boolean> | undefined
    return async () => {
      change ??= providers.measured(subject, [answers], heard)
      await change
    }
  }

  /** After each call is counted, and before it goes out. */
  function afterBegin<Store extends Pick<ResultStore | JudgementStore, 'begin'>>(
    store: Store,
    then: () => Promise<void>,
  ) {
    const begin = async (key: never): Promise<unknown> => {
      const begun = await store.begin(key)
      await then()
      return begun
    }
    return Object.create(store, { begin: { value: begin } }) as Store
  }

  async function evaluate(prompt: string, suite: Digest, results: ResultStore) {
    const key = { candidate: await ground.composite(prompt), suite, policy, evaluationId: randomUUID() }
    return runEvaluation(
      { ...ground.deps, evidence: { ...ground.store.evidence, results } },
      { ...key, concurrency: 1, by: 'ann' },
    )
  }

  interface Row {
    readonly epoch?: number
    readonly result?: Pick<RawResult, 'costUsd'>
  }
  const rowsOf = (composite: Digest) =>
    ground.store.database.collection<Row>('eval_results').find({ composite }).toArray()

  it('is paid for what it answered before, which is no answer any more', async () => {
    const candidate = await ground.composite('1.1.0')
    const { results } = ground.store.evidence
    const { report, evaluationId } = await evaluate(
      '1.1.0',
      ground.suite,
      afterBegin(results, await changeOf(candidate)),
    )
    const rows = await rowsOf(candidate)
    expect(rows.filter(({ result }) => result === undefined)).toEqual([])
    const before = rows.filter(({ epoch }) => epoch === undefined)
    expect(before.length).toBeGreaterThan(0)
    expect(before.length).toBeLessThan(12)
    expect(await ground.stored(candidate)).toHaveLength(12 - before.length)
    const costUsd = rows.reduce((sum, { result }) => sum + (result?.costUsd ?? 0), 0)
    expect(await results.spentUsd(evaluationId)).toBeCloseTo(costUsd, 12)
    expect(report.paid).toMatchObject({ calls: 12, costUsd: expect.closeTo(costUsd, 12) })
  })

  it('is paid for what it judged before, which is no answer any more', async () => {
    const suite = (await ground.store.catalog.version('suite/airline-judged@1.0.0')).digest
    const judge = (await ground.store.catalog.version('engine/simulated@1.0.0')).digest
    const { results } = ground.store.evidence
    const judgements = afterBegin(results.judgements, await changeOf(judge))
    const { report } = await evaluate('1.2.0', suite, Object.create(results, { judgements: { value: judgements } }))
    const rows = await ground.store.database.collection('judgements').find().toArray()
    expect(rows.filter(({ answer }) => answer === undefined)).toEqual([])
    const costUsd = rows.reduce((sum, { answer }) => sum + answer.costUsd, 0)
    expect(report.paid.judges).toMatchObject({
      answers: rows.length,
      costUsd: expect.closeTo(costUsd, 12),
      lostCalls: 0,
    })
  })

  it('moves no count, charge or further call of a request that is under way', async () => {
    const { results } = ground.store.evidence
    const [composite, evaluationId] = [await ground.composite('1.2.0', '1.1.0'), randomUUID()]
    const key: ResultKey = { composite, suite: ground.suite, caseId: 'one', repeat: 0 }
    const change = await changeOf(composite)
    const place = await results.begin(key)
    await change()
    await results.begin(place)
    await results.begin(place)
    await results.forgo(place)
    await results.charge(place, { evaluationId, costUsd: 0.5 })
    expect(await rowsOf(composite)).toMatchObject([{ calls: 2, charges: [{ costUsd: 0.5 }] }])
    expect(await results.spentUsd(evaluationId)).toBe(0.5)
    expect(await results.lostCalls(key)).toBe(0)
    expect((await results.begin(key)).epoch).toBe(1)
  })
})
