import { logEvalueMultinomialShift } from '../../../src/stats/multinomial-shift'

const classes = ['1', '2', '3', '5']

describe('the multinomial e-process', () => {
  it('finds one rare class that moves', () => {
    const a = { 1: 500, 2: 300, 3: 150, 5: 5 }
    const b = { 1: 495, 2: 295, 3: 150, 5: 40 }
    expect(logEvalueMultinomialShift([{ a, b, share: 0.5 }], classes)).toBeGreaterThan(Math.log(20))
  })

  it('finds a dense shift between big classes', () => {
    const a = { 1: 500, 2: 300, 3: 200 }
    const b = { 1: 400, 2: 400, 3: 200 }
    expect(logEvalueMultinomialShift([{ a, b, share: 0.5 }], classes)).toBeGreaterThan(Math.log(20))
  })

  it('finds an answer that nobody named, be it called like a member of every object', () => {
    const a = { 1: 500, 2: 300, 3: 200 }
    const b = { 1: 470, 2: 280, 3: 180, constructor: 40, refused: 30 }
    expect(logEvalueMultinomialShift([{ a, b, share: 0.5 }], classes)).toBeGreaterThan(Math.log(20))
  })

  it('is silent about equal mixes and about nothing', () => {
    const mix = { 1: 500, 2: 300 }
    expect(logEvalueMultinomialShift([{ a: mix, b: mix, share: 0.5 }], classes)).toBeLessThan(Math.log(20))
    expect(logEvalueMultinomialShift([], classes)).toBeCloseTo(0, 12)
    expect(logEvalueMultinomialShift([{ a: {}, b: {}, share: 0.5 }], [])).toBeCloseTo(0, 12)
  })

  it('counts a class once, however often it is named', () => {
    const strata = [{ a: { 1: 50, 2: 30 }, b: { 1: 20, 2: 60 }, share: 0.5 }]
    expect(logEvalueMultinomialShift(strata, ['1', '2', '1'])).toBe(logEvalueMultinomialShift(strata, ['1', '2']))
  })
})
