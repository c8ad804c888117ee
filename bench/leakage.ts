import { indexCases } from '../src/domain/case-index'
import { digestOf } from '../src/store/canonical'
import { textSource } from '../tools/planted-text'
import { randomFrom } from '../tools/random'
import { type Finding, type Row, rounded } from './measure'

const caseCount = 10_000
const rowCount = 1_000_000
/** Rows made, hashed and compared at a time: the machine's other load falls on both sides alike. */
const batch = 10_000
const wordsPerText = 100
/** Words that every case and every row begins with, as forms and greetings do. */
const worlds = [
  { world: 'nothing in common', head: 0 },
  { world: '40 of 100 words in common', head: 40 },
] as const
/** One row in so many is a near-duplicate of a case. */
const plantEvery = 500
const similarity = 0.9
const seed = 20_260_501

interface Tally {
  compareMs: number
  floorMs: number
  planted: number
  found: number
  falseHits: number
  peakBytes: number
}

/** A million rows past the cases of a suite, against hashing the same rows canonically, which registering them costs anyway. */
export function benchLeakage(): readonly Finding[] {
  const about = `${rowCount} rows × ${caseCount} cases of ${wordsPerText} words, one thread`
  return [{ benchmark: 'leakage', about, rows: worlds.map(measure) }]
}

function measure({ world, head }: (typeof worlds)[number]): Row {
  const source = textSource(randomFrom(seed))
  const common = head === 0 ? '' : `${source.text(head)} `
  const text = (): string => common + source.text(wordsPerText - head)
  const texts = Array.from({ length: caseCount }, text)
  const from = performance.now()
  const index = indexCases(texts.map((transcript) => ({ transcript })))
  const indexMs = performance.now() - from
  const tally: Tally = { compareMs: 0, floorMs: 0, planted: 0, found: 0, falseHits: 0, peakBytes: 0 }
  for (let start = 0; start < rowCount; start += batch) {
    const plants = new Map<number, number>()
    const rows = Array.from({ length: batch }, (_, place) => {
      const one = Math.floor((start + place) / plantEvery) % caseCount
      const planted = (start + place) % plantEvery === 0
      if (planted) plants.set(place, one)
      const own = planted ? source.nearCopy(texts[one] as string, similarity) : text()
      return { id: `row-${start + place}`, text: own, label: 'neutral' }
    })
    runBatch({ index, rows, plants }, tally)
  }
  return {
    'cases and rows with': world,
    'index s': rounded(indexMs / 1_000),
    'compare s': rounded(tally.compareMs / 1_000),
    'hash s': rounded(tally.floorMs / 1_000),
    'compare ÷ hash': rounded(tally.compareMs / tally.floorMs),
    'process peak MB': Math.round(tally.peakBytes / 1e6),
    [`planted at ${similarity}`]: tally.planted,
    found: tally.found,
    'false hits': tally.falseHits,
  }
}

interface Batch {
  readonly index: ReturnType<typeof indexCases>
  readonly rows: readonly unknown[]
  readonly plants: ReadonlyMap<number, number>
}

function runBatch({ index, rows, plants }: Batch, tally: Tally): void {
  let digests = 0
  const hashing = performance.now()
  for (const row of rows) digests += digestOf(row).length
  const comparing = performance.now()
  const matches = rows.map((row) => index.match(row))
  const end = performance.now()
  tally.floorMs += comparing - hashing
  tally.compareMs += end - comparing
  tally.peakBytes = Math.max(tally.peakBytes, process.memoryUsage().rss)
  if (digests === 0) throw new Error('nothing was hashed')
  for (const [place, found] of matches.entries()) {
    const planted = plants.get(place)
    if (planted !== undefined) tally.planted += 1
    if (planted !== undefined && found.some((match) => match.place === planted)) tally.found += 1
    tally.falseHits += found.filter((match) => match.place !== planted).length
  }
}
