import { createHash } from 'node:crypto'

/** A stream of numbers in [0, 1) that depends on nothing but its key. */
export interface Chance {
  /** The number that belongs to `name`; asking twice gives the same. */
  uniform(name: string): number
  /** Standard normal by Box and Muller (1958), from two uniforms of the same name. */
  normal(name: string): number
}

export function chanceOf(key: string): Chance {
  const uniform = (name: string): number => {
    const digest = createHash('sha256').update(`${key}\u0000${name}`).digest()
    return digest.readUIntBE(0, 6) / 2 ** 48
  }
  return {
    uniform,
    normal: (name) => {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform(`${name}/radius`)))
      return radius * Math.cos(2 * Math.PI * uniform(`${name}/angle`))
    },
  }
}
