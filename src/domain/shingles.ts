import { mixHash } from '../stats/minhash'

/** A shingle is a run of this many words. A text of fewer words is one shingle. */
export const shingleWords = 3

/** Where a text stands among the words of a value: from the first up to, and without, the last. */
export interface WordRange {
  readonly from: number
  readonly to: number
}

/** A JSON value as its words and shingles. Views on buffers of the reader: they hold until its next `read`. */
export interface Shingled {
  readonly words: number
  /** The hash of each shingle, in order and with repetitions. */
  readonly shingles: Uint32Array
  /** Each text (string) within the value. */
  readonly texts: readonly WordRange[]
}

/**
 * What is read of a JSON value, in order: its texts, numbers and truth values, without keys. A text counts after NFKC
 * normalisation, in lower case, as words: runs of letters, marks and digits of any script; a character of a script that is
 * written without spaces is a word of its own. White space, punctuation and layout do not count.
 */
function readLeaves(value: unknown, text: (text: string) => void, other: (text: string) => void): void {
  if (typeof value === 'string') text(value)
  else if (typeof value === 'number' || typeof value === 'boolean') other(String(value))
  else if (Array.isArray(value)) for (const item of value) readLeaves(item, text, other)
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) readLeaves(item, text, other)
}

const inWord = 1
const ownWord = 2
const letters = /[\p{L}\p{M}\p{N}]/u
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Cs}]/u

/** By UTF-16 unit: between words, part of a word, or a word of its own. Half of a surrogate pair is one of its own. */
let classes: Uint8Array | undefined

function classTable(): Uint8Array {
  if (classes !== undefined) return classes
  const table = new Uint8Array(0x10000)
  for (let unit = 0; unit < table.length; unit += 1) {
    const character = String.fromCharCode(unit)
    if (unspaced.test(character)) table[unit] = ownWord
    else if (letters.test(character)) table[unit] = inWord
  }
  classes = table
  return table
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII begins with them.
const ascii = /^[\x00-\x7f]*$/
const folded = (text: string): string => (ascii.test(text) ? text : text.normalize('NFKC')).toLowerCase()

/** The words of a value as texts, in the order in which `ShingleReader` counts them. */
export function wordsOf(value: unknown): readonly string[] {
  const table = classTable()
  const words: string[] = []
  const add = (given: string): void => {
    const text = folded(given)
    let start = -1
    for (let index = 0; index <= text.length; index += 1) {
      const kind = index < text.length ? table[text.charCodeAt(index)] : 0
      if (kind === inWord) {
        if (start < 0) start = index
        continue
      }
      if (start >= 0) words.push(text.slice(start, index))
      start = -1
      if (kind === ownWord) words.push(text[index] as string)
    }
  }
  readLeaves(value, add, add)
  return words
}

/** The set of shingles of some words, as texts: what similarity is taken of in the end. */
export function shingleSet(words: readonly string[]): ReadonlySet<string> {
  if (words.length === 0) return new Set()
  if (words.length < shingleWords) return new Set([words.join(' ')])
  const shingles = new Set<string>()
  for (let end = shingleWords; end <= words.length; end += 1)
    shingles.add(words.slice(end - shingleWords, end).join(' '))
  return shingles
}

/** Jaccard similarity, 0..1: members of both over members of either; 0 where both are empty. */
export function jaccard<T>(left: ReadonlySet<T>, right: ReadonlySet<T>): number {
  const [small, large] = left.size <= right.size ? [left, right] : [right, left]
  let shared = 0
  for (const member of small) if (large.has(member)) shared += 1
  const either = left.size + right.size - shared
  return either === 0 ? 0 : shared / either
}

const firstBuffer = 4_096
const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193

/** Reads values into shingles without making a string of any word: one for a stream of rows, for its buffers are kept. */
export class ShingleReader {
  private hashes = new Uint32Array(firstBuffer)
  private shingles = new Uint32Array(firstBuffer)
  private words = 0
  private texts: WordRange[] = []
  private readonly table = classTable()

  read(value: unknown): Shingled {
    this.words = 0
    this.texts = []
    readLeaves(
      value,
      (text) => {
        const from = this.words
        this.scan(text)
        this.texts.push({ from, to: this.words })
      },
      (text) => this.scan(text),
    )
    return { words: this.words, shingles: this.join(), texts: this.texts }
  }

  /** The FNV-1a hash of each word (Fowler, Noll and Vo). */
  private scan(given: string): void {
    const text = folded(given)
    const { table } = this
    let hash = fnvOffset
    let open = false
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index)
      const kind = table[unit]
      if (kind === inWord) {
        hash = Math.imul(hash ^ unit, fnvPrime)
        open = true
        continue
      }
      if (open) this.push(hash)
      if (kind === ownWord) this.push(Math.imul(fnvOffset ^ unit, fnvPrime))
      hash = fnvOffset
      open = false
    }
    if (open) this.push(hash)
  }

  private push(hash: number): void {
    if (this.words === this.hashes.length) {
      const larger = new Uint32Array(2 * this.words)
      larger.set(this.hashes)
      this.hashes = larger
      this.shingles = new Uint32Array(larger.length)
    }
    this.hashes[this.words] = hash
    this.words += 1
  }

  private join(): Uint32Array {
    const { hashes, shingles, words } = this
    if (words === 0) return shingles.subarray(0, 0)
    if (words < shingleWords) {
      shingles[0] = joined(hashes[0] as number, words > 1 ? (hashes[1] as number) : 0, 0)
      return shingles.subarray(0, 1)
    }
    const count = words - shingleWords + 1
    for (let index = 0; index < count; index += 1) {
      shingles[index] = joined(hashes[index] as number, hashes[index + 1] as number, hashes[index + 2] as number)
    }
    return shingles.subarray(0, count)
  }
}

/** Odd multipliers, so that the order of the words counts; then mixed, since the least of these hashes are a sample. */
const joined = (first: number, second: number, third: number): number =>
  mixHash(mixHash(Math.imul(first, 0x9e3779b1) + second) + Math.imul(third, 0xcc9e2d51))
