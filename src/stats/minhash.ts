import { logGamma } from './log-gamma'

/**
 * MinHash sketches in the bottom-k form: of a set of hashes the k least, which are a random sample of the set without
 * replacement, drawn alike from every set (Broder, "On the resemblance and containment of documents", SEQUENCES 1997;
 * Cohen and Kaplan, PODC 2007). What share of the sketch another set holds estimates, without bias, what share of the
 * whole set it holds. The hashes have to look uniform: `mixHash` sees to it.
 */
export function bottomSketch(hashes: Uint32Array, size: number): Uint32Array {
  const sorted = Uint32Array.from(hashes).sort()
  return sorted.length <= size ? sorted : sorted.slice(0, size)
}

/** The finalizer of MurmurHash3 (Appleby, public domain): every bit of the input moves half the bits of the answer. */
export function mixHash(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export interface SketchedSet {
  /** Members of the set, how many of them the other set holds, and members of the sketch. */
  readonly size: number
  readonly shared: number
  readonly sketch: number
}

/**
 * Probability that fewer than `wanted` members of a sketch are in a set that holds `shared` of the `size` members of the
 * sketched one: the lower tail of the hypergeometric distribution, exact to the accuracy of `logGamma`.
 */
export function missProbability({ size, shared, sketch }: SketchedSet, wanted: number): number {
  const drawn = Math.min(sketch, size)
  const least = Math.max(0, drawn - (size - shared))
  const all = logChoose(size, drawn)
  let sum = 0
  for (let hits = least; hits < Math.min(wanted, shared + 1, drawn + 1); hits += 1) {
    sum += Math.exp(logChoose(shared, hits) + logChoose(size - shared, drawn - hits) - all)
  }
  return Math.min(1, sum)
}

const logChoose = (all: number, chosen: number): number =>
  logGamma(all + 1) - logGamma(chosen + 1) - logGamma(all - chosen + 1)
