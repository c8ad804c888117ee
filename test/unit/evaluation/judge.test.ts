import { startSimulatedEngine } from '../../../examples/engine/server'
import type { Verdict } from '../../../src/domain/evaluation'
import type { Digest } from '../../../src/domain/version'
import { compareStored } from '../../../src/store/evaluation-outcomes'
import { runEvaluation } from '../../../src/store/evaluation-run'
import type { EvaluationProgress } from '../../../src/store/evaluations'
import { readAirline } from '../../support/airline'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'

let ground: EvaluationGround
let suite: Digest
const cases = 20

beforeEach(async () => {
  ground = await evaluationGround({ cases })
  suite = (await ground.store.catalog.version('suite/airline-judged@1.0.0')).digest
})
afterEach(() => ground.end())

interface Run {
  readonly id: string
  readonly prompt: string
  readonly incumbent?: string
  readonly on?: Digest
  readonly policy?: Digest
  readonly onProgress?: (progress: EvaluationProgress) => void
  readonly signal?: AbortSignal
}

async function run({ id, prompt, incumbent, on = suite, policy = ground.policy, ...hooks }: Run): Promise<Verdict> {
  const order = {
    evaluationId: id,
    by: 'ann',
    candidate: await ground.composite(prompt),
    ...(incumbent === undefined ? {} : { incumbent: await ground.composite(incumbent) }),
    suite: on,
    policy,
  }
  return runEvaluation(ground.deps, order, hooks)
}

/** The example's judged suite with some of its content changed. */
async function suiteWith(name: string, change: Record<string, unknown>): Promise<Digest> {
  const { artifacts } = await readAirline()
  const base = artifacts.find((one) => one.kind === 'suite' && one.name === 'airline-judged')?.content as object
  const draft = { kind: 'suite' as const, name, semver: '1.0.0', author: 'ann', description: 'for a test' }
  const { version } = await ground.store.catalog.register({ ...draft, content: { ...base, ...change } })
  return version.digest
}

describe('a suite with a judge', () => {
  it('judges every output once, apart from what the candidate costs, and pays nothing a second time', async () => {
    const seen: EvaluationProgress[] = []
    const first = await run({ id: 'first', prompt: '1.1.0', incumbent: '1.0.0', onProgress: (one) => seen.push(one) })
    const { candidate, incumbent, comparison, paid } = first.report
    // The judge of the example gives half a point for each label, so its mean is that of both shares.
    const { resolved, transferred } = await airlineScores()
    expect(candidate.accuracy.mean).toBeCloseTo((resolved + transferred) / 2, 10)
    expect(candidate.scores.labels?.mean).toBeCloseTo(candidate.accuracy.mean, 10)
    expect(incumbent?.scores.judged?.mean).toBeLessThan(candidate.accuracy.mean)
    expect(comparison?.difference.mean).toBeGreaterThan(0)
    expect(paid).toMatchObject({ calls: 40, results: 40, judges: { lostCalls: 0 } })
    const answers = paid.judges?.answers ?? 0
    expect(paid.judges?.calls).toBe(answers)
    // Both arms gave some reports alike to the letter, and those were judged once.
    expect(answers).toBeLessThanOrEqual(40)
    expect(ground.engine.requests()).toBe(40 + answers)
    expect(paid.costUsd).toBeCloseTo(candidate.cost.totalUsd + (incumbent?.cost.totalUsd ?? 0), 10)
    expect(paid.judges?.costUsd).toBeGreaterThan(0)
    expect(billedUsd()).toBeCloseTo(paid.costUsd + (paid.judges?.costUsd ?? 0), 10)
    expect(seen.at(-1)).toMatchObject({ done: 80, total: 80, fromStore: 40 - answers })

    const requests = ground.engine.requests()
    const again = await run({ id: 'again', prompt: '1.1.0', incumbent: '1.0.0' })
    expect(ground.engine.requests()).toBe(requests)
    expect(again.report.candidate.accuracy).toEqual(candidate.accuracy)
    expect(again.report.paid).toMatchObject({ calls: 0, costUsd: 0, judges: { calls: 0, answers: 0, costUsd: 0 } })
  })

  it('tells precision, recall and F1 by field over all cases', async () => {
    const { report } = await run({ id: 'one', prompt: '1.0.0' })
    const figure = (name: string) => report.candidate.figures?.find((one) => one.figure === name)
    const { transferred, resolved } = await airlineScores('1.0.0')
    expect(figure('transferred.accuracy')?.mean).toBeCloseTo(transferred, 10)
    expect(figure('resolved.f1')?.mean).toBeCloseTo(resolved, 10)
    expect(figure('accuracy')?.mean).toBeCloseTo((resolved + transferred) / 2, 10)
    expect(figure('transferred.macro_f1')?.mean).toBeLessThan(1)
    expect(figure('accuracy')?.lower).toBeLessThan(figure('accuracy')?.mean ?? 0)
  })

  it('is another suite with another judge, which takes over the outputs and pays for judging alone', async () => {
    await run({ id: 'one', prompt: '1.0.0' })
    const requests = ground.engine.requests()
    const judges = { checker: { engine: 'simulated@1.1.0', prompt: 'report-judge@1.0.0' } }
    const other = await suiteWith('other-judge', { judges })
    expect(other).not.toBe(suite)
    const verdict = await run({ id: 'two', prompt: '1.0.0', on: other })
    expect(verdict.report.paid).toMatchObject({ calls: 0, costUsd: 0, judges: { answers: cases } })
    expect(ground.engine.requests()).toBe(requests + cases)
    const deps = { catalog: ground.store.catalog, results: ground.store.evidence.results }
    const composite = await ground.composite('1.0.0')
    await expect(compareStored(deps, { suite, composite }, { suite: other, composite })).rejects.toMatchObject({
      code: 'suite_mismatch',
    })
  })

  it('scores anew for nothing where only the reading of the answers changed', async () => {
    await run({ id: 'one', prompt: '1.0.0' })
    const requests = ground.engine.requests()
    const scorers = [
      {
        name: 'judged',
        scorer: 'judge',
        options: { judge: 'checker', rubric: 'Both labels count the same.', combine: 'majority' },
      },
    ]
    const strict = await suiteWith('majority', { scorers })
    const { report } = await run({ id: 'two', prompt: '1.0.0', on: strict })
    expect(ground.engine.requests()).toBe(requests)
    expect(report.paid).toMatchObject({ costUsd: 0, judges: { calls: 0, costUsd: 0 } })
    expect(report.candidate.accuracy.mean).toBeGreaterThan((await airlineScores('1.0.0')).resolved)
  })

  it('pays only for what is missing after it was stopped in the midst of judging', async () => {
    const stop = new AbortController()
    const onProgress = ({ done }: EvaluationProgress) => {
      if (done === cases + 7) stop.abort(new Error('the worker is going away'))
    }
    const first = run({ id: 'one', prompt: '1.0.0', onProgress, signal: stop.signal })
    await expect(first).rejects.toThrow('the worker is going away')
    const paid = await ground.store.evidence.results.judgements.paidBy('one')
    expect(paid.answers).toBeGreaterThanOrEqual(7)
    expect(paid.answers).toBeLessThan(cases)
    const requests = ground.engine.requests()
    const { report } = await run({ id: 'one', prompt: '1.0.0' })
    expect(ground.engine.requests() - requests).toBe(cases - paid.answers)
    expect(report.paid.judges).toMatchObject({ calls: cases - paid.answers, answers: cases })
    // Calls that were in flight at the stop are the only ones made twice, and they are counted.
    // A call is counted before it is made, so one that was stopped between the two counts as well.
    expect(report.paid.judges?.lostCalls).toBeGreaterThanOrEqual(requests - cases - paid.answers)
    expect(report.paid.judges?.lostCalls).toBeLessThanOrEqual(8)
    expect(report.candidate.unscored).toBeUndefined()
  })

  it('stops judging on the budget, concludes nothing, and goes on where it stopped', async () => {
    const plain = (await ground.store.catalog.version('suite/airline@1.0.0')).digest
    await run({ id: 'plain', prompt: '1.0.0', on: plain })
    // All outputs are there already, so the whole budget goes to the judge: some calls, the last one at its worst.
    const budgetUsd = 0.004
    const tight = await ground.policyWith('tight', { budgetUsd })
    const verdict = await run({ id: 'tight', prompt: '1.0.0', policy: tight })
    const { judges } = verdict.report.paid
    expect(verdict).toMatchObject({ verdict: 'no_evidence', report: { paid: { calls: 0, costUsd: 0 } } })
    expect(verdict.reasons.join()).toMatch(/have no score judged \(the budget of .* is used up\)/)
    expect(judges?.costUsd).toBeGreaterThan(0)
    expect(judges?.costUsd).toBeLessThanOrEqual(budgetUsd)
    expect(verdict.report.candidate.unscored).toEqual({ judged: cases - (judges?.answers ?? 0) })
    const rich = await run({ id: 'rich', prompt: '1.0.0' })
    expect(rich.report.paid.judges?.answers).toBe(cases - (judges?.answers ?? 0))
    expect(rich.report.candidate.unscored).toBeUndefined()
  })
})

describe('a judge that does not do its work', () => {
  /** The judge has an engine of its own, so that its faults are not those of the candidate. */
  async function withJudge(prompt: string): Promise<Digest> {
    const { artifacts } = await readAirline()
    const engine = artifacts.find(({ kind, semver }) => kind === 'engine' && semver === '1.0.0')?.content as object
    const draft = { name: 'judge', semver: '1.0.0', author: 'ann', description: 'for a test' }
    const content = { ...engine, endpoint: 'judge', maxAttempts: 1 }
    await ground.store.catalog.register({ ...draft, kind: 'engine', content })
    const text = '{{expected}} {{output}} {{rubric}}'
    await ground.store.catalog.register({ ...draft, kind: 'prompt', name: 'bad-judge', content: { text } })
    return suiteWith('apart', { judges: { checker: { engine: 'judge@1.0.0', prompt } } })
  }

  it('is no evidence and no zero where it answers without a score, and is not paid again for that', async () => {
    const on = await withJudge('bad-judge@1.0.0')
    const judge = await startSimulatedEngine({ latencyScale: 0 })
    const endpoints = { ...ground.endpoints, judge: { url: judge.url } }
    const deps = { ...ground.deps, endpoints }
    const candidate = await ground.composite('1.0.0')
    const order = { by: 'ann', candidate, suite: on, policy: ground.policy }
    try {
      const verdict = await runEvaluation(deps, { ...order, evaluationId: 'a' })
      expect(verdict.verdict).toBe('no_evidence')
      expect(verdict.reasons).toEqual([expect.stringContaining("100.0 % of the candidate's")])
      expect(verdict.report.candidate).toMatchObject({ unscored: { judged: cases }, errors: 0 })
      expect(verdict.report.candidate.passed).toEqual({ mean: 0, lower: 0, upper: 1 })
      expect(verdict.report.candidate.scores.labels?.mean).toBeGreaterThan(0.5)
      await runEvaluation(deps, { ...order, evaluationId: 'b' })
      expect(judge.requests()).toBe(cases)
    } finally {
      await judge.stop()
    }
  })

  it('is asked again where it failed, and few failures are left out of the mean', async () => {
    const on = await withJudge('report-judge@1.0.0')
    const judge = await startSimulatedEngine({ latencyScale: 0, faults: [{ kind: 'server_error', share: 1 }] })
    const endpoints = { ...ground.endpoints, judge: { url: judge.url } }
    const deps = { ...ground.deps, endpoints }
    const candidate = await ground.composite('1.0.0')
    const order = { by: 'ann', candidate, suite: on, policy: ground.policy }
    try {
      const down = await runEvaluation(deps, { ...order, evaluationId: 'down' })
      expect(down.verdict).toBe('no_evidence')
      expect(down.report.paid.judges).toMatchObject({
        answers: 0,
        stopped: expect.stringContaining('the judge failed on'),
      })
      // It stops early instead of asking a judge that is down about every output.
      expect(judge.requests()).toBeLessThan(cases)
      expect(down.report.paid.judges?.lostCalls).toBe(judge.requests())
      judge.setFaults([])
      const up = await runEvaluation(deps, { ...order, evaluationId: 'up' })
      expect(up.report.candidate.unscored).toBeUndefined()
      expect(up.report.paid).toMatchObject({ calls: 0, judges: { answers: cases } })
    } finally {
      await judge.stop()
    }
  })

  it('refuses a judge that is not configured before anything is paid', async () => {
    const on = await withJudge('report-judge@1.0.0')
    await expect(run({ id: 'a', prompt: '1.0.0', on })).rejects.toMatchObject({ code: 'invalid_config' })
    expect(ground.engine.requests()).toBe(0)
  })
})

describe('a suite that pins its judges', () => {
  it.each([
    [{ judges: { checker: { engine: 'simulated@9.0.0', prompt: 'report-judge@1.0.0' } } }, 'unknown_ref'],
    [{ judges: { checker: { engine: 'simulated@1.0.0', prompt: 'csat@1.0.0' } } }, 'invalid_content'],
    [{ judges: {} }, 'invalid_content'],
  ])('refuses %j', async (change, code) => {
    await expect(suiteWith('refused', change)).rejects.toMatchObject({ code })
  })

  it('holds digests, so that whoever reads it knows what was asked', async () => {
    const { content } = await ground.store.catalog.version('suite/airline-judged@1.0.0')
    const engine = (await ground.store.catalog.version('engine/simulated@1.0.0')).digest
    const prompt = (await ground.store.catalog.version('prompt/report-judge@1.0.0')).digest
    expect(content).toMatchObject({ judges: { checker: { engine, prompt } } })
  })
})

it('names the case on which a scorer of the suite does not work', async () => {
  const source = "({ input }) => { throw new Error('no use for ' + typeof input.transcript) }"
  const scorers = [{ name: 'own', scorer: 'module', options: { source } }]
  const broken = await suiteWith('broken', { scorers, primary: 'own' })
  await expect(run({ id: 'a', prompt: '1.0.0', on: broken })).rejects.toMatchObject({
    code: 'scorer_failed',
    message: expect.stringMatching(/scorer own .* the case airline-\d\d-\d: .*no use for string/),
  })
  expect(await ground.store.evaluations.get('a')).toMatchObject({ state: 'failed', error: { code: 'scorer_failed' } })
})

/** Shares of the labels that a prompt gets right, by the scorers of the suite that has no judge. */
async function airlineScores(prompt = '1.1.0'): Promise<{ readonly resolved: number; readonly transferred: number }> {
  const plain = (await ground.store.catalog.version('suite/airline@1.0.0')).digest
  const { report } = await run({ id: `plain-${prompt}`, prompt, on: plain })
  const { resolved, transferred } = report.candidate.scores
  return { resolved: resolved?.mean ?? 0, transferred: transferred?.mean ?? 0 }
}

/** What the engine put on its bill, at the prices of the example's engine version. */
function billedUsd(): number {
  const lines = ground.engine.bill()
  return lines.reduce((sum, line) => sum + (line.promptTokens * 0.4 + line.completionTokens * 1.6) / 1e6, 0)
}
