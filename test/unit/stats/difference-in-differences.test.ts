import { differenceInDifferences } from '../../../src/stats/difference-in-differences'
import { addPair, emptyPairs, type PairedMoments } from '../../../src/stats/paired-difference'

const pairsOf = (rows: readonly (readonly [number, number])[]): PairedMoments =>
  rows.reduce((pairs, [a, b]) => addPair(pairs, a, b), emptyPairs)

describe('the difference in differences', () => {
  it('is the change of the treated beyond that of the control, with Welch over groups', () => {
    const treated = pairsOf([
      [0.1, 0.3],
      [0.2, 0.5],
      [0.1, 0.2],
    ])
    const control = pairsOf([
      [0.1, 0.1],
      [0.3, 0.4],
      [0.2, 0.2],
      [0.2, 0.3],
    ])
    const found = differenceInDifferences(treated, control, 1)
    // Changes 0.2, 0.3, 0.1 against 0, 0.1, 0, 0.1: t = 0.15 / sqrt(0.01 / 3 + (0.01 / 3) / 4).
    expect(found?.estimate).toBeCloseTo(0.15, 12)
    expect(found?.standardError).toBeCloseTo(Math.sqrt(0.01 / 3 + 0.01 / 12), 12)
    expect(found?.freedom).toBeCloseTo((0.01 / 3 + 0.01 / 12) ** 2 / ((0.01 / 3) ** 2 / 2 + (0.01 / 12) ** 2 / 3), 9)
    expect(found?.pValue).toBeGreaterThan(0.03)
    expect(found?.pValue).toBeLessThan(0.07)
  })

  it('tolerates what the factor allows of what the treated would have come to', () => {
    const treated = pairsOf([
      [0.2, 0.375],
      [0.2, 0.375],
    ])
    const control = pairsOf([
      [0.1, 0.2],
      [0.1, 0.2],
    ])
    expect(differenceInDifferences(treated, control, 1.25)?.estimate).toBeCloseTo(0, 12)
    expect(differenceInDifferences(treated, control, 1.25)?.pValue).toBe(1)
    expect(differenceInDifferences(treated, control, 1)?.pValue).toBe(0)
  })

  it('says nothing of a single group', () => {
    const two = pairsOf([
      [0, 1],
      [0, 1],
    ])
    expect(differenceInDifferences(pairsOf([[0, 1]]), two, 1)).toBeUndefined()
    expect(differenceInDifferences(two, emptyPairs, 1)).toBeUndefined()
  })
})
