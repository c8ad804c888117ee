import { bottomSketch, missProbability, mixHash } from '../../../src/stats/minhash'

/** Numbers in a row, mixed: `mixHash` loses none, so they are distinct, and it has to make them look random. */
let last = 41
const member = (): number => mixHash(last++)

/** A set, and one that shares so many of its members. */
function pair(size: number, shared: number): readonly [Uint32Array, ReadonlySet<number>] {
  const own = Uint32Array.from({ length: size }, member)
  return [own, new Set(own.subarray(0, shared))]
}

describe('MinHash sketches', () => {
  it('are the least hashes, the whole set where it is small', () => {
    expect([...bottomSketch(Uint32Array.of(9, 3, 7, 1), 2)]).toEqual([1, 3])
    expect([...bottomSketch(Uint32Array.of(9, 3), 64)]).toEqual([3, 9])
    expect(bottomSketch(new Uint32Array(), 64)).toHaveLength(0)
  })

  it.each([
    [1_000, 900],
    [1_000, 500],
    [300, 60],
    [80, 40],
  ])(
    'of %i members of which %i are shared estimate that share without bias, with the variance of a sample',
    (size, shared) => {
      const trials = 2_000
      const sketch = 64
      const truth = shared / size
      const estimates = Array.from({ length: trials }, () => {
        const [own, other] = pair(size, shared)
        return bottomSketch(own, sketch).filter((hash) => other.has(hash)).length / sketch
      })
      const mean = estimates.reduce((sum, estimate) => sum + estimate, 0) / trials
      const variance = estimates.reduce((sum, estimate) => sum + (estimate - mean) ** 2, 0) / (trials - 1)
      // Of a sample without replacement.
      const expected = ((truth * (1 - truth)) / sketch) * ((size - sketch) / (size - 1))
      // Four standard errors of the mean; the variance of 2,000 trials is within a fifth with as many.
      expect(Math.abs(mean - truth)).toBeLessThan(4 * Math.sqrt(expected / trials))
      expect(variance / expected).toBeGreaterThan(0.8)
      expect(variance / expected).toBeLessThan(1.2)
    },
  )

  it('miss as often as the hypergeometric distribution says', () => {
    // C(5,0)·C(5,3)/C(10,3) = 10/120, and with one hit 5·10/120 more.
    expect(missProbability({ size: 10, shared: 5, sketch: 3 }, 1)).toBeCloseTo(10 / 120, 12)
    expect(missProbability({ size: 10, shared: 5, sketch: 3 }, 2)).toBeCloseTo(60 / 120, 12)
    expect(missProbability({ size: 10, shared: 10, sketch: 3 }, 3)).toBe(0)
    expect(missProbability({ size: 10, shared: 0, sketch: 3 }, 1)).toBeCloseTo(1, 12)
    // A sketch that is the whole set holds exactly what is shared.
    expect(missProbability({ size: 40, shared: 20, sketch: 64 }, 20)).toBe(0)
    expect(missProbability({ size: 40, shared: 20, sketch: 64 }, 21)).toBeCloseTo(1, 12)
  })

  it('misses in trials are as many as computed', () => {
    const [size, shared, sketch, wanted, trials] = [200, 50, 32, 7, 4_000]
    let misses = 0
    for (let trial = 0; trial < trials; trial += 1) {
      const [own, other] = pair(size, shared)
      if (bottomSketch(own, sketch).filter((hash) => other.has(hash)).length < wanted) misses += 1
    }
    const expected = missProbability({ size, shared, sketch }, wanted)
    expect(Math.abs(misses / trials - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / trials))
  })
})
