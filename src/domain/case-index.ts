import { assert } from '../errors'
import { bottomSketch } from '../stats/minhash'
import { bestPassage } from './passages'
import { jaccard, ShingleReader, shingleSet, wordsOf } from './shingles'

/** How a row is held against the cases of a suite; `docs/leakage.md` says what follows from each figure. */
export const leakageMethod = {
  name: 'minhash',
  /** Raised with every change of the words, the shingles or the rules, so that proofs of an older one do not count. */
  version: 1,
  shingleWords: 3,
  /** Shingles of a case that are looked up: the least hashes. */
  sketch: 64,
  /** Share of the sketch that a row has to hold for the case to be compared in full. */
  candidateShare: 0.25,
  /** A shingle in more cases than this is common: it tells no case from another, and is no sketch's where it can be helped. */
  commonCases: 100,
  /** Below this share of shingles that are not common, a case is sketched as it is. */
  distinctiveShare: 0.3,
  /** Cases of this many words and more are also looked for within longer rows. */
  stretchWords: 13,
  /** Jaccard similarity from which on a row is a near-duplicate. */
  threshold: 0.5,
} as const

/** Cases that one row is said to hold; a row that holds more is as leaked with these. */
export const maxCasesOfRow = 20
/** Places of cases share a double with 32 bits of hash. */
export const maxIndexedCases = 100_000

export interface CaseMatch {
  /** Place of the case in the list that the index was made of. */
  readonly place: number
  /** Jaccard similarity of the case's shingles and those of the passage that is most like it. */
  readonly similarity: number
}

/** The cases of a suite, ready to have any number of rows held against them. Its memory depends on the cases alone. */
export interface CaseIndex {
  /** Cases without a word: nothing can be said of them but by digest. */
  readonly wordless: number
  /** What a row is a near-duplicate of, the most alike first; at most `maxCasesOfRow`. */
  match(row: unknown): readonly CaseMatch[]
}

interface Sketched {
  /** Distinct. */
  readonly shingles: Uint32Array
  readonly words: number
  readonly wanted: number
}

/** Takes cases one by one, so that a long suite does not hold up whatever else the process does. */
export class CaseIndexBuilder {
  private readonly reader = new ShingleReader()
  private readonly inputs: unknown[] = []
  private readonly texts: Omit<Sketched, 'wanted'>[] = []

  add(input: unknown): void {
    assert(this.inputs.length < maxIndexedCases, `at most ${maxIndexedCases} cases are indexed`)
    const { words, shingles } = this.reader.read(input)
    this.inputs.push(input)
    this.texts.push({ words, shingles: Uint32Array.from(new Set(shingles)) })
  }

  build(): CaseIndex {
    const common = commonShingles(this.texts.map(({ shingles }) => shingles))
    const sketches = this.texts.map(({ shingles }) => sketchOf(shingles, common))
    const cases = this.texts.map((text, place) => ({ ...text, wanted: wantedOf(sketches[place]?.length ?? 0) }))
    return new StandingIndex(this.inputs, cases, new Postings(sketches))
  }
}

/** The index of a few cases at once. */
export function indexCases(inputs: readonly unknown[]): CaseIndex {
  const builder = new CaseIndexBuilder()
  for (const input of inputs) builder.add(input)
  return builder.build()
}

const wantedOf = (sketch: number): number => Math.max(1, Math.ceil(leakageMethod.candidateShare * sketch))

function commonShingles(texts: readonly Uint32Array[]): ReadonlySet<number> {
  const all = new Uint32Array(texts.reduce((sum, shingles) => sum + shingles.length, 0))
  let end = 0
  for (const shingles of texts) {
    all.set(shingles, end)
    end += shingles.length
  }
  all.sort()
  const common = new Set<number>()
  for (let index = leakageMethod.commonCases; index < all.length; index += 1) {
    if (all[index] === all[index - leakageMethod.commonCases]) common.add(all[index] as number)
  }
  return common
}

function sketchOf(shingles: Uint32Array, common: ReadonlySet<number>): Uint32Array {
  const own = common.size === 0 ? shingles : shingles.filter((shingle) => !common.has(shingle))
  const pool = own.length >= leakageMethod.distinctiveShare * shingles.length ? own : shingles
  return bottomSketch(pool, leakageMethod.sketch)
}

/** Which cases have a hash in their sketch: a bit map that nearly every shingle of an unrelated row stops at, and a list. */
class Postings {
  private readonly hashes: Uint32Array
  private readonly places: Uint32Array
  private readonly bits: Uint32Array
  private readonly mask: number

  constructor(sketches: readonly Uint32Array[]) {
    const pairs = new Float64Array(sketches.reduce((sum, sketch) => sum + sketch.length, 0))
    let end = 0
    for (const [place, sketch] of sketches.entries()) {
      for (const hash of sketch) {
        pairs[end] = hash * maxIndexedCases + place
        end += 1
      }
    }
    pairs.sort()
    this.hashes = Uint32Array.from(pairs, (pair) => Math.floor(pair / maxIndexedCases))
    this.places = Uint32Array.from(pairs, (pair) => pair % maxIndexedCases)
    const bits = 2 ** Math.ceil(Math.log2(16 * pairs.length + 32))
    this.mask = bits - 1
    this.bits = new Uint32Array(bits / 32)
    for (const hash of this.hashes) {
      const bit = hash & this.mask
      this.bits[bit >>> 5] = (this.bits[bit >>> 5] as number) | (1 << (bit & 31))
    }
  }

  mayHave(hash: number): boolean {
    const bit = hash & this.mask
    return ((this.bits[bit >>> 5] as number) & (1 << (bit & 31))) !== 0
  }

  each(hash: number, visit: (place: number) => void): void {
    const { hashes } = this
    let low = 0
    let high = hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((hashes[middle] as number) < hash) low = middle + 1
      else high = middle
    }
    for (; hashes[low] === hash; low += 1) visit(this.places[low] as number)
  }
}

class StandingIndex implements CaseIndex {
  readonly wordless: number
  private readonly inputs: readonly unknown[]
  private readonly cases: readonly Sketched[]
  private readonly postings: Postings
  private readonly reader = new ShingleReader()
  private readonly hits: Uint16Array

  constructor(inputs: readonly unknown[], cases: readonly Sketched[], postings: Postings) {
    this.inputs = inputs
    this.cases = cases
    this.postings = postings
    this.hits = new Uint16Array(cases.length)
    this.wordless = cases.filter(({ words }) => words === 0).length
  }

  match(value: unknown): readonly CaseMatch[] {
    const row = this.reader.read(value)
    const candidates = this.candidates(row.shingles)
    if (candidates.length === 0) return []
    const distinct = new Set(row.shingles)
    let words: readonly string[] | undefined
    const matches: CaseMatch[] = []
    for (const place of candidates) {
      const passage = bestPassage(row, distinct, { case: this.cases[place] as Sketched, rules: leakageMethod })
      if (passage === undefined) continue
      words ??= wordsOf(value)
      const own = shingleSet(wordsOf(this.inputs[place]))
      const similarity = jaccard(own, shingleSet(words.slice(passage.from, passage.to)))
      if (similarity >= leakageMethod.threshold) matches.push({ place, similarity })
      if (matches.length === maxCasesOfRow) break
    }
    return matches.sort((a, b) => b.similarity - a.similarity || a.place - b.place)
  }

  /** Cases of whose sketch the row holds enough; those of which it holds the most first. */
  private candidates(shingles: Uint32Array): readonly number[] {
    const { postings, hits, cases } = this
    const touched: number[] = []
    let seen: Set<number> | undefined
    for (let index = 0; index < shingles.length; index += 1) {
      const hash = shingles[index] as number
      if (!postings.mayHave(hash) || seen?.has(hash)) continue
      seen ??= new Set()
      seen.add(hash)
      postings.each(hash, (place) => {
        const before = hits[place] as number
        if (before === 0) touched.push(place)
        hits[place] = before + 1
      })
    }
    if (touched.length === 0) return touched
    const share = new Map<number, number>()
    for (const place of touched) {
      const held = hits[place] as number
      const { wanted } = cases[place] as Sketched
      if (held >= wanted) share.set(place, held / wanted)
      hits[place] = 0
    }
    return [...share.keys()].sort((a, b) => (share.get(b) ?? 0) - (share.get(a) ?? 0) || a - b)
  }
}
