import type { Verdict } from '../../../src/domain/evaluation'
import type { Digest } from '../../../src/domain/version'
import { compareStored } from '../../../src/store/evaluation-outcomes'
import { runEvaluation } from '../../../src/store/evaluation-run'
import type { EvaluationProgress } from '../../../src/store/evaluations'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'

describe('the example suite on the example prompts', () => {
  let ground: EvaluationGround
  const verdicts = new Map<string, Verdict>()

  /** Each prompt against the one it would replace. */
  const order = [
    ['1.0.0', undefined],
    ['1.1.0', '1.0.0'],
    ['1.2.0', '1.1.0'],
    ['1.3.0', '1.1.0'],
    ['1.4.0', '1.1.0'],
  ] as const

  beforeAll(async () => {
    ground = await evaluationGround()
    for (const [prompt, incumbent] of order) {
      const verdict = await runEvaluation(ground.deps, {
        evaluationId: `eval-${prompt}`,
        by: 'ann',
        candidate: await ground.composite(prompt),
        ...(incumbent ? { incumbent: await ground.composite(incumbent) } : {}),
        suite: ground.suite,
        policy: ground.policy,
      })
      verdicts.set(prompt, verdict)
    }
  }, 120_000)
  afterAll(() => ground.end())

  const of = (prompt: string): Verdict => {
    const verdict = verdicts.get(prompt)
    if (!verdict) throw new Error(`no verdict of ${prompt}`)
    return verdict
  }

  it('measures the first prompt by its groups', () => {
    const { report, verdict } = of('1.0.0')
    expect(verdict).toBe('pass')
    expect(report).toMatchObject({
      cases: 200,
      groups: 50,
      repeats: 1,
      paid: { calls: 200, results: 200, lostCalls: 0 },
    })
    expect(report.incumbent).toBeUndefined()
    const { accuracy, scores } = report.candidate
    expect(accuracy.mean).toBe(0.66)
    expect(scores.transferred?.mean).toBe(0.8)
    // A binomial interval of 200 independent cases would be 13 points wide.
    expect(accuracy.upper - accuracy.lower).toBeGreaterThan(0.15)
  })

  it('finds the second better, and pays nothing again for the first', () => {
    const { report, verdict, shifting } = of('1.1.0')
    expect(verdict).toBe('pass')
    expect(shifting).toBe(false)
    expect(report.candidate.accuracy.mean).toBe(0.75)
    expect(report.incumbent?.fromStore).toBe(200)
    expect(report.paid).toMatchObject({ calls: 200, results: 200 })
    expect(report.comparison).toMatchObject({ pairs: 200, fixed: { count: 29 }, broken: { count: 11 } })
    expect(report.comparison?.difference.pAbove).toBeLessThan(0.05)
    expect(report.comparison?.shifts.find(({ field }) => field === 'csat')?.changedShare).toBeGreaterThan(0.1)
  })

  it.each(['1.2.0', '1.3.0', '1.4.0'])('lets %s pass: whole calls do not show what is wrong with it', (prompt) => {
    const { report, verdict } = of(prompt)
    expect(verdict).toBe('pass')
    expect(report.candidate.accuracy.mean).toBe(0.75)
    expect(report.candidate.schemaCompliance.mean).toBe(1)
    expect(report.comparison?.costRatio).toBeLessThan(1.05)
  })

  it('adds up what was paid', async () => {
    for (const [prompt] of order) {
      const { report } = of(prompt)
      expect(report.paid.costUsd).toBeCloseTo(report.candidate.cost.totalUsd, 10)
    }
    expect(ground.engine.requests()).toBe(1000)
  })

  it('gives back the verdict it has when it is run again', async () => {
    const before = ground.engine.requests()
    const first = of('1.1.0')
    const again = await runEvaluation(ground.deps, { ...first, by: 'ann' })
    expect(again).toEqual(await ground.store.evidence.verdictOf(first.evaluationId))
    expect(again.id).toBe(first.id)
    expect(ground.engine.requests()).toBe(before)
  })

  it('refuses the first prompt as a candidate against the second, from stored results alone', async () => {
    const before = ground.engine.requests()
    const verdict = await runEvaluation(ground.deps, {
      evaluationId: 'eval-back',
      by: 'ann',
      candidate: await ground.composite('1.0.0'),
      incumbent: await ground.composite('1.1.0'),
      suite: ground.suite,
      policy: ground.policy,
    })
    expect(verdict.verdict).toBe('fail')
    expect(verdict.reasons).toEqual([expect.stringContaining('Accuracy moved by -9.0 points')])
    expect(verdict.report.paid).toEqual({ calls: 0, results: 0, costUsd: 0, lostCalls: 0 })
    expect(ground.engine.requests()).toBe(before)
  })

  it('freezes thresholds from the stored calls', async () => {
    const composite = await ground.composite('1.0.0')
    const { latency } = of('1.0.0').report.candidate
    const thresholds = await ground.store.evidence.incumbentThresholds({ composite, suite: ground.suite })
    expect(thresholds?.latencyMs).toBe(latency?.p95Ms)
    expect(thresholds?.costUsd).toBeGreaterThan(of('1.0.0').report.candidate.cost.meanUsd)
    const unknown = await ground.composite('1.0.0', '1.1.0')
    expect(await ground.store.evidence.incumbentThresholds({ composite: unknown, suite: ground.suite })).toBeUndefined()
  })

  it('compares two composites by what is stored, and never across suites', async () => {
    const deps = { catalog: ground.store.catalog, results: ground.store.evidence.results }
    const before = { suite: ground.suite, composite: await ground.composite('1.0.0') }
    const after = { suite: ground.suite, composite: await ground.composite('1.4.0') }
    const compared = await compareStored(deps, before, after)
    expect(compared.comparison.difference.mean).toBeCloseTo(0.09, 10)
    expect(compared.before.accuracy.mean).toBe(0.66)
    const other = { suite: ground.policy, composite: after.composite }
    await expect(compareStored(deps, before, other)).rejects.toMatchObject({ code: 'suite_mismatch' })
    const never = { suite: ground.suite, composite: await ground.composite('1.0.0', '1.1.0') }
    await expect(compareStored(deps, before, never)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('takes a suite with other scorers without calling the engine', async () => {
    const content = {
      dataset: 'airline-cases@1.0.0',
      scorers: [{ name: 'transferred', scorer: 'field', options: { path: 'transferred' } }],
      primary: 'transferred',
      thresholds: { minAccuracy: 0.9 },
    }
    const draft = {
      kind: 'suite' as const,
      name: 'transfers',
      semver: '1.0.0',
      content,
      author: 'ann',
      description: 'x',
    }
    const suite = (await ground.store.catalog.register(draft)).version.digest
    const before = ground.engine.requests()
    const rescore = async (prompt: string) => {
      const candidate = await ground.composite(prompt)
      const name = `rescore-${prompt}`
      return runEvaluation(ground.deps, { evaluationId: name, by: 'ann', candidate, suite, policy: ground.policy })
    }
    await expect(rescore('1.0.0')).resolves.toMatchObject({ verdict: 'fail' })
    const good = await rescore('1.1.0')
    expect(good).toMatchObject({ verdict: 'pass', report: { paid: { calls: 0, costUsd: 0, lostCalls: 0 } } })
    expect(good.report.candidate).toMatchObject({ fromStore: 200, accuracy: { mean: 1 } })
    expect(ground.engine.requests()).toBe(before)
    expect(await ground.store.evidence.results.spentUsd('eval-1.1.0')).toBeCloseTo(of('1.1.0').report.paid.costUsd, 10)
  })
})

describe('a run that does not go smoothly', () => {
  let ground: EvaluationGround
  let candidate: Digest
  beforeEach(async () => {
    ground = await evaluationGround({ cases: 40 })
    candidate = await ground.composite('1.0.0')
  })
  afterEach(() => ground.end())

  const run = (evaluationId: string, hooks: Parameters<typeof runEvaluation>[2] = {}, policy = ground.policy) =>
    runEvaluation(ground.deps, { evaluationId, by: 'ann', candidate, suite: ground.suite, policy }, hooks)
  const passing = (policy = ground.policy) => ground.store.evidence.passing({ candidate, suite: ground.suite, policy })

  it('stops when aborted, records no verdict, and pays only for what is missing when it goes on', async () => {
    const stop = new AbortController()
    const onProgress = ({ done }: EvaluationProgress) => {
      if (done === 15) stop.abort(new Error('the worker is going away'))
    }
    // Two calls at a time: at the stop no more than 31 of the 40 can have been begun.
    const order = {
      evaluationId: 'e',
      by: 'ann',
      candidate,
      suite: ground.suite,
      policy: ground.policy,
      concurrency: 2,
    }
    const stopped = runEvaluation(ground.deps, order, { signal: stop.signal, onProgress })
    await expect(stopped).rejects.toThrow('the worker is going away')
    expect(await ground.store.evaluations.get('e')).toMatchObject({ state: 'cancelled' })
    expect(await ground.store.evidence.verdictOf('e')).toBeUndefined()
    expect(await passing()).toBe(false)

    const stored = (await ground.stored(candidate)).length
    const requests = ground.engine.requests()
    expect(stored).toBeGreaterThanOrEqual(15)
    expect(stored).toBeLessThan(40)
    const verdict = await run('e')
    expect(verdict).toMatchObject({ verdict: 'pass', report: { candidate: { results: 40, fromStore: 0 } } })
    expect(ground.engine.requests() - requests).toBe(40 - stored)
    expect(verdict.report.paid.calls).toBe(40 - stored)
    // Calls that were in flight at the stop are the only ones made twice, and they are counted.
    expect(verdict.report.paid.lostCalls).toBeGreaterThanOrEqual(requests - stored)
    expect(verdict.report.paid.lostCalls).toBeLessThanOrEqual(8)
    expect(await ground.store.evaluations.get('e')).toMatchObject({ state: 'done', progress: { done: 40, total: 40 } })
    expect(await passing()).toBe(true)
  })

  it('comes to no verdict on its budget, and an evaluation with more money goes on where it stopped', async () => {
    const tight = await ground.policyWith('tight', { budgetUsd: 0.02 })
    const verdict = await run('tight', {}, tight)
    expect(verdict).toMatchObject({ verdict: 'no_evidence', reasons: [expect.stringContaining('budget of $0.02')] })
    expect(verdict.report.paid.costUsd).toBeLessThanOrEqual(0.02)
    expect(verdict.report.paid.costUsd).toBeGreaterThan(0)
    expect(await passing(tight)).toBe(false)
    const rich = await run('rich')
    expect(rich.verdict).toBe('pass')
    expect(rich.report.paid.calls).toBe(40 - verdict.report.candidate.results)
  })

  it('goes through rate limits, server errors and time-outs that pass', async () => {
    ground.engine.setFaults([
      { kind: 'rate_limit', share: 0.2, times: 1, retryAfterSeconds: 0 },
      { kind: 'server_error', share: 0.2, times: 1 },
    ])
    const verdict = await run('e')
    expect(verdict).toMatchObject({ verdict: 'pass', report: { candidate: { results: 40, errors: 0 } } })
    expect(ground.engine.requests()).toBeGreaterThan(40)
  })

  it('concludes nothing while the engine is down, stops early, and stores no failure', async () => {
    ground.engine.setFaults([{ kind: 'rate_limit', share: 1, retryAfterSeconds: 3600 }])
    const verdict = await run('down')
    expect(verdict.verdict).toBe('no_evidence')
    expect(verdict.reasons).toEqual([
      expect.stringContaining('the engine failed'),
      expect.stringContaining('gave no answer'),
    ])
    expect(ground.engine.requests()).toBeLessThan(40)
    expect(await passing()).toBe(false)
    ground.engine.setFaults([])
    await expect(run('up')).resolves.toMatchObject({ verdict: 'pass' })
    expect(await passing()).toBe(true)
  })

  it('fails a candidate whose outputs do not fit, and tells a drifted engine', async () => {
    ground.engine.setFaults([
      { kind: 'malformed', share: 0.3 },
      { kind: 'drift', share: 0.5 },
    ])
    const verdict = await run('e')
    expect(verdict.verdict).toBe('fail')
    expect(verdict.reasons.join()).toMatch(/fit the schema/)
    expect(verdict.reasons.join()).toMatch(/provider changed under the candidate's engine.*fp_small_1_drifted/)
    expect(verdict.report.candidate.engines.map(({ fingerprint }) => fingerprint).sort()).toEqual([
      'fp_small_1',
      'fp_small_1_drifted',
    ])
  })

  it('runs repeats with seeds of their own, and calls each once', async () => {
    const { content } = await ground.store.catalog.version('suite/airline@1.0.0')
    const draft = { kind: 'suite' as const, name: 'thrice', semver: '1.0.0', author: 'ann', description: 'for a test' }
    const thrice = { ...draft, content: { ...(content as object), repeats: 3 } }
    const suite = (await ground.store.catalog.register(thrice)).version.digest
    const order = { evaluationId: 'e', by: 'ann', candidate, suite, policy: ground.policy, concurrency: 2 }
    const verdict = await runEvaluation(ground.deps, order)
    expect(verdict.report).toMatchObject({ repeats: 3, candidate: { results: 120 }, paid: { calls: 120 } })
    expect(ground.engine.requests()).toBe(120)
    const keys = [0, 1, 2].map((repeat) => ({ composite: candidate, suite, caseId: 'airline-00-0', repeat }))
    const stored = await ground.store.evidence.results.read(keys)
    const seeds = stored.map(({ result }) => result.seed ?? 0).sort((a, b) => a - b)
    expect(seeds.map((seed) => seed - (seeds[0] ?? 0))).toEqual([0, 1, 2])
    // The first repeat makes the same calls as a suite that has no others.
    await expect(run('once')).resolves.toMatchObject({ verdict: 'pass', report: { paid: { calls: 0 } } })
  })

  it('fails as a whole on a wrong setting, and says so in its record', async () => {
    const deps = { ...ground.deps, endpoints: {} }
    const order = { evaluationId: 'e', by: 'ann', candidate, suite: ground.suite, policy: ground.policy }
    await expect(runEvaluation(deps, order)).rejects.toMatchObject({ code: 'invalid_config' })
    expect(await ground.store.evaluations.get('e')).toMatchObject({
      state: 'failed',
      error: { code: 'invalid_config' },
    })
    await expect(run('e')).resolves.toMatchObject({ verdict: 'pass' })
  })

  it('keeps one result a case where two runs of the same candidate meet, and counts what was called twice', async () => {
    const [one, other] = await Promise.all([run('one'), run('other')])
    expect(one.verdict).toBe('pass')
    expect(other.verdict).toBe('pass')
    const stored = await ground.stored(candidate)
    expect(stored).toHaveLength(40)
    const lost = await ground.store.evidence.results.lostCalls({ composite: candidate, suite: ground.suite })
    expect(ground.engine.requests()).toBe(40 + lost)
  })
})
