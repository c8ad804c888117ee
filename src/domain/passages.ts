import { type Shingled, shingleWords, type WordRange } from './shingles'

/** A case as its distinct shingles. */
interface CaseShingles {
  readonly shingles: Uint32Array
  readonly words: number
}

/** Figures of `leakageMethod` that decide which passages there are. */
interface PassageRules {
  readonly threshold: number
  readonly stretchWords: number
}

interface Found {
  readonly range: WordRange
  readonly similarity: number
}

/**
 * The passage of a row that is most like a case, by hashes: the row as a whole, one text of it of at least a shingle, or,
 * for a case that is long enough, a stretch of as many words. Undefined where none reaches the threshold.
 */
export function bestPassage(
  row: Shingled,
  distinct: ReadonlySet<number>,
  { case: one, rules }: { readonly case: CaseShingles; readonly rules: PassageRules },
): WordRange | undefined {
  const shared = one.shingles.reduce((sum, shingle) => sum + (distinct.has(shingle) ? 1 : 0), 0)
  const { threshold } = rules
  // Whatever the passage, a Jaccard similarity is at most the share of the case that the row holds.
  if (shared < threshold * one.shingles.length) return undefined
  const own = new Set(one.shingles)
  const whole: Found = {
    range: { from: 0, to: row.words },
    similarity: similarityOf(own.size, distinct.size, shared),
  }
  const found = [whole, ...texts(row, own, threshold)]
  if (one.words >= rules.stretchWords && row.words > one.words) found.push(stretch(row, own, one.words))
  const best = found.reduce((left, right) => (right.similarity > left.similarity ? right : left))
  return best.similarity >= threshold ? best.range : undefined
}

const similarityOf = (left: number, right: number, shared: number): number => shared / (left + right - shared)

function* texts(row: Shingled, own: ReadonlySet<number>, threshold: number): Generator<Found> {
  for (const range of row.texts) {
    const count = range.to - range.from - shingleWords + 1
    if (count < 1 || count < threshold * own.size) continue
    yield { range, similarity: rangeSimilarity(row, own, range) }
  }
}

function rangeSimilarity({ shingles }: Shingled, own: ReadonlySet<number>, { from, to }: WordRange): number {
  const held = new Set(shingles.subarray(from, to - shingleWords + 1))
  let shared = 0
  for (const shingle of held) if (own.has(shingle)) shared += 1
  return similarityOf(own.size, held.size, shared)
}

/** The stretch that holds the most distinct shingles of the case; the first of equals. */
function stretch(row: Shingled, own: ReadonlySet<number>, words: number): Found {
  const { shingles } = row
  const length = words - shingleWords + 1
  const held = new Map<number, number>()
  let best = { start: 0, shared: -1 }
  for (let end = 0; end < shingles.length; end += 1) {
    const entering = shingles[end] as number
    if (own.has(entering)) held.set(entering, (held.get(entering) ?? 0) + 1)
    const leaving = end >= length ? shingles[end - length] : undefined
    const count = leaving === undefined ? undefined : held.get(leaving)
    if (leaving !== undefined && count === 1) held.delete(leaving)
    else if (leaving !== undefined && count !== undefined) held.set(leaving, count - 1)
    const start = Math.max(0, end - length + 1)
    if (held.size > best.shared) best = { start, shared: held.size }
  }
  const range = { from: best.start, to: best.start + words }
  return { range, similarity: rangeSimilarity(row, own, range) }
}
