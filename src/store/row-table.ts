import { murmur3 } from '../domain/bucket'
import { textDigest } from './canonical'

interface Row<T> {
  readonly value: T
  readonly text: string
}

/** Rows that share one digest, so that a change costs the hashing of a thousandth of the table. */
const shelves = 1_024

/**
 * Rows of plain JSON by key, with a digest of them all: equal for equal rows, in whatever order they came, and cheap after
 * a change. It is the root of a tree of hashes of two levels.
 */
export class RowTable<T> {
  private readonly rows = Array.from({ length: shelves }, () => new Map<string, Row<T>>())
  /** Undefined: changed since it was computed. */
  private readonly digests: (string | undefined)[] = Array.from({ length: shelves }, () => undefined)

  get(key: string): T | undefined {
    return this.shelf(key).get(key)?.value
  }

  /** Undefined takes the row away. The answer says whether anything changed. */
  set(key: string, value: T | undefined): boolean {
    const place = placeOf(key)
    const shelf = this.rows[place] as Map<string, Row<T>>
    const text = value === undefined ? undefined : JSON.stringify(value)
    if (shelf.get(key)?.text === text) return false
    if (value === undefined || text === undefined) shelf.delete(key)
    else shelf.set(key, { value, text })
    this.digests[place] = undefined
    return true
  }

  *entries(): Iterable<[string, T]> {
    for (const shelf of this.rows) for (const [key, { value }] of shelf) yield [key, value]
  }

  get digest(): string {
    return textDigest(this.rows.map((shelf, place) => this.digestOf(shelf, place)).join())
  }

  /** All rows as the text of one JSON object. */
  get text(): string {
    const rows: string[] = []
    for (const shelf of this.rows) for (const [key, { text }] of shelf) rows.push(`${JSON.stringify(key)}:${text}`)
    return `{${rows.join()}}`
  }

  private digestOf(shelf: ReadonlyMap<string, Row<T>>, place: number): string {
    if (shelf.size === 0) return ''
    const known = this.digests[place]
    if (known !== undefined) return known
    const texts = [...shelf].sort(([left], [right]) => (left < right ? -1 : 1))
    const digest = textDigest(JSON.stringify(texts.map(([key, { text }]) => [key, text])))
    this.digests[place] = digest
    return digest
  }

  private shelf(key: string): Map<string, Row<T>> {
    return this.rows[placeOf(key)] as Map<string, Row<T>>
  }
}

const placeOf = (key: string): number => murmur3(key) % shelves
