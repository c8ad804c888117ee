import fc from 'fast-check'
import { indexCases, leakageMethod } from '../../src/domain/case-index'
import { jaccard, ShingleReader, shingleSet, wordsOf } from '../../src/domain/shingles'
import { missProbability } from '../../src/stats/minhash'
import { textSource } from '../../tools/planted-text'
import { randomFrom } from '../../tools/random'

const json = fc.jsonValue({ maxDepth: 4 })
const withWords = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
  .filter((text) => wordsOf(text).length > 0)
const similar = (left: unknown, right: unknown) => jaccard(shingleSet(wordsOf(left)), shingleSet(wordsOf(right)))

describe('cases and rows of any content', () => {
  it('a case that is a row is always found, with the similarity 1', () => {
    fc.assert(
      fc.property(fc.array(json, { minLength: 1, maxLength: 30 }), (inputs) => {
        const index = indexCases(inputs)
        for (const [place, input] of inputs.entries()) {
          const found = index.match(input)
          if (wordsOf(input).length === 0) expect(found).toEqual([])
          else if (found.length < 20) expect(found).toContainEqual({ place, similarity: 1 })
          else expect(found.every(({ similarity }) => similarity === 1)).toBe(true)
        }
      }),
    )
  })

  it('so is one that differs in layout, case and form, however the row wraps it', () => {
    fc.assert(
      fc.property(withWords, fc.array(withWords, { maxLength: 5 }), (text, others) => {
        const index = indexCases([{ question: text }, ...others])
        const disguised = wordsOf(text).join(' -- ').toUpperCase().normalize('NFD')
        // Some letters have no upper case that leads back, such as ß.
        fc.pre(wordsOf(disguised).join(' ') === wordsOf(text).join(' '))
        expect(index.match(disguised)).toContainEqual({ place: 0, similarity: 1 })
        if (wordsOf(text).length < leakageMethod.shingleWords) return
        const chat = {
          messages: [
            { role: 'system', content: 'Answer in one word.' },
            { role: 'user', content: disguised },
          ],
        }
        expect(index.match(chat)).toContainEqual({ place: 0, similarity: 1 })
      }),
    )
  })

  it('words read as texts and as hashes are the same words', () => {
    const reader = new ShingleReader()
    fc.assert(
      fc.property(json, (value) => {
        const words = wordsOf(value)
        const { words: count, shingles } = reader.read(value)
        expect(count).toBe(words.length)
        expect(new Set(shingles).size).toBe(shingleSet(words).size)
      }),
    )
  })

  it('whatever is reported is as similar as it says, to a passage of the row', () => {
    const word = fc.constantFrom('my', 'flight', 'was', 'late', 'again', 'and', 'nobody', 'told', 'me')
    const text = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 10 }),
        fc.array(text, { minLength: 1, maxLength: 4 }),
        (inputs, row) => {
          const words = wordsOf(row)
          for (const { place, similarity } of indexCases(inputs).match(row)) {
            expect(similarity).toBeGreaterThanOrEqual(leakageMethod.threshold)
            const own = wordsOf(inputs[place])
            const stretches = words.map((_, start) => words.slice(start, start + own.length))
            const passages = [words, ...row.map(wordsOf), ...stretches]
            expect(passages.some((passage) => jaccard(shingleSet(own), shingleSet(passage)) === similarity)).toBe(true)
          }
        },
      ),
    )
  })
})

describe('planted near-duplicates', () => {
  const source = textSource(randomFrom(7))
  const lengths = [30, 60, 90, 180]
  const inputs = lengths.flatMap((words) => Array.from({ length: 500 }, () => source.text(words)))
  const index = indexCases(inputs.map((transcript) => ({ transcript })))

  it.each([
    [0.9, 0.98],
    [0.8, 0.98],
    [0.7, 0.98],
  ])('of the similarity %d are found in at least %d of 2,000 pairs', (similarity, least) => {
    const copies = inputs.map((input) => source.nearCopy(input, similarity))
    const planted = copies.map((copy, place) => similar(copy, inputs[place]))
    expect(Math.max(...planted)).toBeLessThanOrEqual(similarity)
    expect(planted.reduce((sum, one) => sum + one, 0) / planted.length).toBeGreaterThan(similarity - 0.06)
    const found = copies.filter((copy, place) =>
      index.match({ text: copy, label: 'bad' }).some((match) => match.place === place),
    )
    expect(found.length / copies.length).toBeGreaterThanOrEqual(least)
  })

  it('and so are those in the middle of a long row, and as one message of a chat', () => {
    const buried = inputs.map((input) => ({
      text: `${source.text(150)} ${source.nearCopy(input, 0.9)} ${source.text(150)}`,
    }))
    const chats = inputs.map((input) => ({
      messages: [source.text(100), source.nearCopy(input, 0.9), source.text(50)].map((content) => ({
        role: 'user',
        content,
      })),
    }))
    for (const rows of [buried, chats]) {
      const found = rows.filter((row, place) => index.match(row).some((match) => match.place === place))
      expect(found.length / rows.length).toBeGreaterThanOrEqual(0.98)
    }
  })

  it('false hits there are none: of 10,000 unrelated rows not one, whose words are as common', () => {
    const hits = Array.from({ length: 10_000 }, (_, row) => index.match({ text: source.text(lengths[row % 4] ?? 0) }))
    expect(hits.filter((found) => found.length > 0)).toEqual([])
  })

  it('are found where half of every text is the same: a form, a greeting, a policy', () => {
    const head = source.text(60)
    const forms = Array.from({ length: 300 }, () => `${head} ${source.text(60)}`)
    const formed = indexCases(forms)
    const found = forms.filter((form, place) =>
      formed.match({ text: source.nearCopy(form, 0.9) }).some((match) => match.place === place),
    )
    expect(found.length / forms.length).toBeGreaterThanOrEqual(0.98)
    const others = Array.from({ length: 300 }, () => formed.match({ text: `${head} ${source.text(60)}` }))
    expect(others.filter((matches) => matches.length > 0)).toEqual([])
  })

  it('the bound on misses that the docs give holds for every size of case', () => {
    const { sketch, candidateShare, distinctiveShare } = leakageMethod
    for (const size of [1, 2, 5, 10, 63, 64, 65, 200, 1_000, 100_000]) {
      // At the similarity 0.9 a row holds at least 0.9 of the case: even where all that it lacks is distinctive.
      const lost = Math.floor(0.1 * size)
      const pool = Math.ceil(distinctiveShare * size)
      for (const sketched of [pool, size]) {
        const drawn = Math.min(sketch, sketched)
        const wanted = Math.max(1, Math.ceil(candidateShare * drawn))
        const shared = Math.max(0, sketched - lost)
        expect(missProbability({ size: sketched, shared, sketch: drawn }, wanted)).toBeLessThan(1e-9)
      }
      // At the threshold it holds at least half; here of a case without common text.
      const drawn = Math.min(sketch, size)
      const shared = Math.ceil(leakageMethod.threshold * size)
      expect(missProbability({ size, shared, sketch: drawn }, Math.ceil(candidateShare * drawn))).toBeLessThan(1e-4)
    }
  })
})
