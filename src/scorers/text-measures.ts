/**
 * How alike two texts are, 0..1; all are symmetric, and two empty texts are equal. Texts are compared in Unicode's
 * composed form (NFC); tokens are runs of letters, marks and digits.
 */
export interface TextMeasure {
  /** Characters or tokens beyond this are not looked at: the time grows with the square of it, or with it. */
  readonly limit: number
  /** What the limit counts. */
  readonly unit: 'characters' | 'tokens'
  readonly alike: (left: readonly string[], right: readonly string[]) => number
}

export const textMeasures = {
  /** 1 − edits / length of the longer text; edits insert, delete or replace one character (Levenshtein 1966). */
  levenshtein: { limit: 2_000, unit: 'characters', alike: editSimilarity },
  /** F1 of the tokens as a bag (SQuAD, Rajpurkar et al. 2016). */
  'token-f1': { limit: 20_000, unit: 'tokens', alike: bagSimilarity },
  /** Tokens that both have, of those that either has (Jaccard 1912). */
  'token-set': { limit: 20_000, unit: 'tokens', alike: setSimilarity },
  /** F1 of the longest common subsequence of tokens (ROUGE-L, Lin 2004, with β = 1). */
  'rouge-l': { limit: 2_000, unit: 'tokens', alike: sequenceSimilarity },
} as const satisfies Record<string, TextMeasure>

export type TextMeasureName = keyof typeof textMeasures

export interface Likeness {
  readonly value: number
  /** One of the texts was longer than the limit, and only its beginning was compared. */
  readonly cut: boolean
}

/** Compares the beginnings of two texts up to the measure's limit. */
export function likenessOf({ alike, limit, unit }: TextMeasure, left: string, right: string): Likeness {
  const [ownUnits, otherUnits] = [unitsOf(left, unit), unitsOf(right, unit)]
  const cut = ownUnits.length > limit || otherUnits.length > limit
  return { value: alike(ownUnits.slice(0, limit), otherUnits.slice(0, limit)), cut }
}

function unitsOf(text: string, unit: TextMeasure['unit']): readonly string[] {
  const composed = text.normalize('NFC')
  return unit === 'characters' ? [...composed] : (composed.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [])
}

/** The table of Wagner and Fischer (1974), one row at a time. */
function editSimilarity(left: readonly string[], right: readonly string[]): number {
  const longest = Math.max(left.length, right.length)
  if (longest === 0) return 1
  let row = Uint32Array.from({ length: right.length + 1 }, (_, place) => place)
  for (const [place, unit] of left.entries()) {
    const next = new Uint32Array(right.length + 1)
    next[0] = place + 1
    for (let other = 1; other <= right.length; other += 1) {
      const replaced = (row[other - 1] ?? 0) + (unit === right[other - 1] ? 0 : 1)
      next[other] = Math.min(replaced, (row[other] ?? 0) + 1, (next[other - 1] ?? 0) + 1)
    }
    row = next
  }
  return 1 - (row[right.length] ?? 0) / longest
}

/** F1 of `common` units of two texts. */
function f1(common: number, left: readonly string[], right: readonly string[]): number {
  return left.length + right.length === 0 ? 1 : (2 * common) / (left.length + right.length)
}

function bagSimilarity(left: readonly string[], right: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const token of left) counts.set(token, (counts.get(token) ?? 0) + 1)
  let common = 0
  for (const token of right) {
    const count = counts.get(token) ?? 0
    if (count === 0) continue
    counts.set(token, count - 1)
    common += 1
  }
  return f1(common, left, right)
}

function setSimilarity(left: readonly string[], right: readonly string[]): number {
  const [own, other] = [new Set(left), new Set(right)]
  const common = [...own].filter((token) => other.has(token)).length
  const either = own.size + other.size - common
  return either === 0 ? 1 : common / either
}

function sequenceSimilarity(left: readonly string[], right: readonly string[]): number {
  let row = new Uint32Array(right.length + 1)
  for (const token of left) {
    const next = new Uint32Array(right.length + 1)
    for (let other = 1; other <= right.length; other += 1) {
      const longer = Math.max(row[other] ?? 0, next[other - 1] ?? 0)
      next[other] = token === right[other - 1] ? (row[other - 1] ?? 0) + 1 : longer
    }
    row = next
  }
  return f1(row[right.length] ?? 0, left, right)
}
