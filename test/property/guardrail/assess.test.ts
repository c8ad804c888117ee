import fc from 'fast-check'
import { assess } from '../../../src/domain/analysis'
import { effects } from '../../../src/domain/effect'
import { anyInput } from '../../support/any-assessment'

/** Every number in a value, however deep. */
const numbersIn = (value: unknown): number[] =>
  typeof value === 'number'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(numbersIn)
      : []

describe('assess', () => {
  it('holds only finite numbers, and no text shows anything else', () => {
    fc.assert(
      fc.property(anyInput, (situation) => {
        const assessment = assess(situation)
        expect(numbersIn(assessment).every(Number.isFinite)).toBe(true)
        for (const { text } of assessment.verdicts) expect(text).not.toMatch(/NaN|Infinity|undefined/)
        expect(numbersIn(effects(situation)).every(Number.isFinite)).toBe(true)
      }),
    )
  })

  it('never advances without the minimum sample, with a fail, or with a mismatch', () => {
    fc.assert(
      fc.property(anyInput, (situation) => {
        const { mayAdvance, verdicts, waitingFor, action } = assess(situation)
        expect(mayAdvance).toBe(situation.step !== undefined && waitingFor.length === 0)
        if (!mayAdvance) return
        expect(situation.step?.units.candidate).toBeGreaterThanOrEqual(situation.step?.minimumSample ?? 0)
        expect(verdicts.some(({ verdict, role }) => verdict === 'fail' && role !== 'notify')).toBe(false)
        expect(verdicts.some(({ reason }) => reason === 'ratio_mismatch')).toBe(false)
        expect(action).toBe('continue')
      }),
    )
  })

  it('does not depend on the order of strata', () => {
    fc.assert(
      fc.property(anyInput, (situation) => {
        const forward = assess(situation)
        const backward = assess({ ...situation, strata: [...situation.strata].reverse() })
        expect(backward.action).toBe(forward.action)
        expect(backward.mayAdvance).toBe(forward.mayAdvance)
      }),
    )
  })

  it('says the same of strata that nobody may compare as of none', () => {
    fc.assert(
      fc.property(anyInput, (situation) => {
        const tested = situation.strata.filter(({ share }) => share > 0 && share < 1)
        expect(assess({ ...situation, strata: tested }).verdicts).toEqual(assess(situation).verdicts)
      }),
    )
  })
})
