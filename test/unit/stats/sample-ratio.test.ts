import { logEvalueRatioMismatch } from '../../../src/stats/sample-ratio'

/** ∫ Beta(t; kθ, k(1−θ)) t^b (1−t)^a dt / (θ^b (1−θ)^a) by the midpoint rule after t = sin². */
function byQuadrature(a: number, b: number, share: number, size: number): number {
  const steps = 200_000
  const weigh = (x: number, y: number): number => {
    let sum = 0
    for (let index = 0; index < steps; index += 1) {
      const angle = ((index + 0.5) / steps) * (Math.PI / 2)
      sum += Math.sin(angle) ** (2 * x - 1) * Math.cos(angle) ** (2 * y - 1)
    }
    return sum / steps
  }
  const [priorB, priorA] = [size * share, size * (1 - share)]
  return weigh(priorB + b, priorA + a) / weigh(priorB, priorA) / (share ** b * (1 - share) ** a)
}

describe('the sample-ratio e-process', () => {
  it.each([
    [30, 12, 0.5],
    [60, 20, 0.25],
    [5, 9, 0.5],
  ])('equals the mixture integral (%d / %d at %d)', (a, b, share) => {
    const expected = [
      [10, 0.02],
      [100, 0.9],
      [1000, 0.08],
    ].reduce((sum, [size = 0, weight = 0]) => sum + weight * byQuadrature(a, b, share, size), 0)
    expect(Math.exp(logEvalueRatioMismatch([{ a, b, share }]))).toBeCloseTo(expected, 8)
  })

  it('rises over a silent arm within three dozen units, and not over a fair split', () => {
    expect(logEvalueRatioMismatch([{ a: 36, b: 0, share: 0.5 }])).toBeGreaterThan(Math.log(1000))
    expect(logEvalueRatioMismatch([{ a: 12, b: 12, share: 0.5 }])).toBeLessThan(0)
  })

  it('stays finite and steady for a billion units', () => {
    const fair = logEvalueRatioMismatch([{ a: 950_000_000, b: 50_000_000, share: 0.05 }])
    expect(fair).toBeLessThan(0)
    expect(fair).toBeGreaterThan(-50)
    expect(Number.isFinite(logEvalueRatioMismatch([{ a: 1e15, b: 1e15, share: 0.01 }]))).toBe(true)
  })

  it('says nothing of strata that have no shares to fit', () => {
    expect(logEvalueRatioMismatch([])).toBeCloseTo(0, 12)
    expect(logEvalueRatioMismatch([{ a: 0, b: 500, share: 1 }])).toBeCloseTo(0, 12)
  })
})
