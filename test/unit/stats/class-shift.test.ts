import { logEvalueClassShift } from '../../../src/stats/class-shift'

describe('the class-shift e-process', () => {
  it('finds one rare class that moves', () => {
    const a = { 1: 500, 2: 300, 3: 150, 5: 5 }
    expect(logEvalueClassShift([{ a, b: { 1: 495, 2: 295, 3: 150, 5: 40 }, share: 0.5 }])).toBeGreaterThan(Math.log(20))
  })

  it('finds a dense shift between big classes', () => {
    const a = { 1: 500, 2: 300, 3: 200 }
    expect(logEvalueClassShift([{ a, b: { 1: 400, 2: 400, 3: 200 }, share: 0.5 }])).toBeGreaterThan(Math.log(20))
  })

  it('is silent about equal mixes and about nothing', () => {
    const mix = { 1: 500, 2: 300 }
    expect(logEvalueClassShift([{ a: mix, b: mix, share: 0.5 }])).toBeLessThan(Math.log(20))
    expect(logEvalueClassShift([])).toBe(0)
    expect(logEvalueClassShift([{ a: {}, b: {}, share: 0.5 }])).toBe(0)
  })
})
