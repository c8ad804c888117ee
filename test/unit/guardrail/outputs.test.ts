import { assess } from '../../../src/domain/analysis'
import type { StratumStats } from '../../../src/domain/telemetry'
import { observedOutputs, outputFault } from '../../../src/domain/telemetry-outputs'
import { arm, inputOf, policyWith, stratum } from '../../support/assessment'

const mood = { field: 'mood', classes: ['good', 'bad'] }
const score = { field: 'score' }
const outputs = [
  { ...mood, role: 'pause' },
  { ...score, role: 'notify' },
] as const

interface Shown {
  readonly good: number
  readonly bad: number
  readonly other?: number
  /** Scores of this mean, with a deviation of one. */
  readonly mean: number
}

const armOf = ({ good, bad, other = 0, mean }: Shown) => {
  const n = good + bad + other
  const numbers = { '1': { n, sum: n * mean, sumSquares: n * (mean * mean + 1) } }
  return { ...arm({ units: n }), outputs: { classes: { '0': { '0': good, '1': bad, '2': other } }, numbers } }
}

const shown = (candidate: Shown, incumbent: Shown): StratumStats => ({
  ...stratum({}),
  outputs: [mood, score],
  candidate: armOf(candidate),
  incumbent: armOf(incumbent),
})

const judged = (row: StratumStats) => assess(inputOf([row], { policy: policyWith({ outputs }) }))
const verdictOf = (row: StratumStats, name: string) => judged(row).verdicts.find((verdict) => verdict.name === name)

describe('outputs that differ', () => {
  const same = { good: 400, bad: 100, mean: 3 }

  it('pause, whichever way they moved, and never roll back', () => {
    for (const candidate of [
      { good: 250, bad: 250, mean: 3 },
      { good: 495, bad: 5, mean: 3 },
    ]) {
      expect(judged(shown(candidate, same))).toMatchObject({ action: 'pause', mayAdvance: false })
      const verdict = verdictOf(shown(candidate, same), 'output:mood')
      expect(verdict).toMatchObject({ verdict: 'fail', reason: 'output_differs', role: 'pause' })
      expect(verdict?.text).toContain('against 80.0 %')
    }
  })

  it('in a class that nobody declared are seen as another', () => {
    const verdict = verdictOf(shown({ good: 350, bad: 100, other: 50, mean: 3 }, same), 'output:mood')
    expect(verdict).toMatchObject({ verdict: 'fail', text: expect.stringContaining('other 10.0 % against 0.0 %') })
  })

  it('in a mean are told of, both ways, and stop nothing where the policy only notifies', () => {
    for (const mean of [2.5, 3.5]) {
      const row = shown({ ...same, mean }, same)
      expect(judged(row).action).toBe('continue')
      expect(verdictOf(row, 'output:score')).toMatchObject({
        verdict: 'fail',
        reason: 'output_differs',
        candidate: mean,
      })
    }
  })

  it('not at all pass, and wait for nothing', () => {
    const row = shown(same, same)
    expect(verdictOf(row, 'output:mood')).toMatchObject({ verdict: 'pass' })
    expect(verdictOf(row, 'output:score')).toMatchObject({ verdict: 'pass' })
  })

  it('keep the release from going on until somebody accepts that very difference, and nothing beside it', () => {
    const row = shown({ good: 250, bad: 250, mean: 3 }, same)
    const step = { bakeComplete: true }
    const look = (accepted: readonly string[], rows = [row]) =>
      assess(inputOf(rows, { policy: policyWith({ outputs }), step, accepted }))
    expect(look([])).toMatchObject({ action: 'pause', mayAdvance: false, waitingFor: ['output_differs'] })
    expect(look(['output:score', 'error_rate'])).toMatchObject({ mayAdvance: false })
    expect(look(['output:mood'])).toMatchObject({ action: 'pause', mayAdvance: true, waitingFor: [] })
    const failing = { ...row, candidate: { ...row.candidate, events: { ...row.candidate.events, error: 400 } } }
    for (const role of ['pause', 'rollback'] as const) {
      const policy = policyWith({ outputs, guardrail: { role } })
      const accepted = ['output:mood', 'error_rate', 'max_harm']
      expect(assess(inputOf([failing], { policy, step, accepted })).mayAdvance).toBe(false)
    }
  })

  it('take their part of alpha', () => {
    const [first] = judged(shown(same, same)).verdicts
    expect(first?.threshold).toBeCloseTo(60)
  })
})

describe('what an output shows', () => {
  it.each([
    [{ mood: 'good', score: 4 }, [{ class: 0 }, { number: 4 }]],
    [{ mood: 'furious', score: '4' }, [{ class: 2 }, null]],
    [{ mood: ['good'], score: Number.NaN }, [null, null]],
    [{ score: 1e10 }, [null, null]],
    [null, [null, null]],
    ['good', [null, null]],
  ])('of %j is %j', (output, expected) => {
    expect(observedOutputs([mood, score], output)).toEqual(expected)
  })

  it('is refused where the entry cannot mean it', () => {
    expect(outputFault([mood, score], [{ class: 2 }, { number: 1 }])).toBeUndefined()
    expect(outputFault([mood, score], [null])).toBeUndefined()
    expect(outputFault([mood], [{ class: 3 }])).toContain('none that the entry names')
    expect(outputFault([mood], [{ number: 1 }])).toContain('none that the entry names')
    expect(outputFault([score], [{ class: 0 }])).toContain('none that the entry names')
    expect(outputFault(undefined, [null])).toContain('more output fields')
  })
})
