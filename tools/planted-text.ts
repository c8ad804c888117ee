import { jaccard, shingleSet, wordsOf } from '../src/domain/shingles'
import type { Random } from './random'

/** Texts whose words come about as often as in a language (Zipf's law), and copies of them with words replaced. */
export interface TextSource {
  /** As many words, separated by spaces. */
  text(words: number): string
  /** A copy whose similarity is at most `similarity`, and below it by no more than one replaced word. */
  nearCopy(text: string, similarity: number): string
}

const vocabulary = 20_000
const tableSize = 65_536

export function textSource({ uniform }: Random): TextSource {
  const words = Array.from({ length: vocabulary }, () => {
    const letters = 2 + Math.floor(uniform() * 8)
    return Array.from({ length: letters }, () => String.fromCharCode(97 + Math.floor(uniform() * 26))).join('')
  })
  const table = zipfTable()
  const word = (): string => words[table[Math.floor(uniform() * tableSize)] as number] as string
  const text = (count: number): string => Array.from({ length: count }, word).join(' ')
  return {
    text,
    nearCopy(original, wanted) {
      const own = shingleSet(wordsOf(original))
      const copy = original.split(' ')
      for (let edits = 0; edits < copy.length; edits += 1) {
        copy[Math.floor(uniform() * copy.length)] = `${word()}x`
        if (jaccard(own, shingleSet(wordsOf(copy))) <= wanted) break
      }
      return copy.join(' ')
    },
  }
}

/** Ranks of words, each as often as its share: drawing one is one look into the table. */
function zipfTable(): Uint16Array {
  const shares = Array.from({ length: vocabulary }, (_, rank) => 1 / (rank + 2.7))
  const all = shares.reduce((sum, share) => sum + share, 0)
  const table = new Uint16Array(tableSize)
  let rank = 0
  let reached = (shares[0] as number) / all
  for (let place = 0; place < tableSize; place += 1) {
    while (place / tableSize > reached && rank < vocabulary - 1) {
      rank += 1
      reached += (shares[rank] as number) / all
    }
    table[place] = rank
  }
  return table
}
