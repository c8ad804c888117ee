/** Taken once: a test runner's sandbox looks `Math` up anew at every use, which would double the simulation's time. */
const { log, sqrt } = Math

/** A seeded source of uniform and normal numbers: sfc32 (Doty-Humphrey, PractRand), so that a simulation repeats exactly. */
export interface Random {
  /** In [0, 1). */
  readonly uniform: () => number
  /** Standard normal, by Marsaglia's polar method. */
  readonly normal: () => number
}

const warmUpRounds = 12

export function randomFrom(seed: number): Random {
  let [a, b, c, counter] = [0x9e3779b9 ^ seed, 0x243f6a88, 0xb7e15162 + seed, 1]
  const uniform = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4294967296
  }
  for (let round = 0; round < warmUpRounds; round += 1) uniform()
  let spare: number | undefined
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    let [x, y, square] = [0, 0, 0]
    do {
      x = 2 * uniform() - 1
      y = 2 * uniform() - 1
      square = x * x + y * y
    } while (square >= 1 || square === 0)
    const scale = sqrt((-2 * log(square)) / square)
    spare = y * scale
    return x * scale
  }
  return { uniform, normal }
}
