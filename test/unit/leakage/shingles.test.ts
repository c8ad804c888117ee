import { jaccard, ShingleReader, shingleSet, wordsOf } from '../../../src/domain/shingles'

const read = (value: unknown) => {
  const { words, shingles, texts } = new ShingleReader().read(value)
  return { words, shingles: [...shingles], texts }
}

describe('words and shingles', () => {
  it('read texts, numbers and truth values in order, and no keys', () => {
    expect(wordsOf({ b: 'Two words', a: [7.5, true, null, { deep: 'x' }] })).toEqual([
      'two',
      'words',
      '7',
      '5',
      'true',
      'x',
    ])
    expect(read({ b: 'Two words', a: [7, 'three more words'] })).toMatchObject({
      words: 6,
      texts: [
        { from: 0, to: 2 },
        { from: 3, to: 6 },
      ],
    })
  })

  it.each([
    ['case', 'Cancel MY flight', 'cancel my flight'],
    ['white space and layout', '  cancel\n\tmy\u00a0flight ', 'cancel my flight'],
    ['punctuation', '“Cancel”, my-flight!', 'cancel my flight'],
    ['width and ligatures (NFKC)', 'ｃａｎｃｅｌ my ﬂight', 'cancel my flight'],
    ['composed and decomposed letters', 'Cafe\u0301 a la carte', 'café à la carte'.replace('à', 'a')],
    ['case beyond ASCII', 'ÄRGER MIT ÖL', 'ärger mit öl'],
  ])('do not count %s', (_, left, right) => {
    expect(read(left)).toEqual(read(right))
    expect(wordsOf(left)).toEqual(wordsOf(right))
  })

  it('take the characters of scripts without spaces for words', () => {
    expect(wordsOf('我要退票 now')).toEqual(['我', '要', '退', '票', 'now'])
    expect(wordsOf('한국어 문장')).toEqual(['한국어', '문장'])
    expect(read('我要退票').shingles).toHaveLength(2)
  })

  it('make one shingle of a text that is too short for one, and none of nothing', () => {
    expect(read('yes').shingles).toHaveLength(1)
    expect(shingleSet(wordsOf('yes please'))).toEqual(new Set(['yes please']))
    expect(read('… —').shingles).toEqual([])
    expect(shingleSet([]).size).toBe(0)
    expect(read('yes').shingles).not.toEqual(read('yes yes').shingles)
  })

  it('tell orders of the same words apart', () => {
    const orders = ['a b c', 'a c b', 'b a c', 'b c a', 'c a b', 'c b a']
    expect(new Set(orders.map((text) => read(text).shingles[0])).size).toBe(6)
  })

  it('hash as many shingles as there are, whatever the length', () => {
    const text = Array.from({ length: 10_000 }, (_, index) => `w${index}`).join(' ')
    const reader = new ShingleReader()
    expect(reader.read(text).shingles).toHaveLength(9_998)
    expect(new Set(reader.read(text).shingles).size).toBeGreaterThan(9_990)
    expect([...reader.read('a b c').shingles]).toEqual(read('a b c').shingles)
  })
})

describe('Jaccard similarity', () => {
  it('is what is in both over what is in either', () => {
    expect(jaccard(new Set([1, 2, 3]), new Set([2, 3, 4]))).toBe(0.5)
    expect(jaccard(new Set([1]), new Set([1]))).toBe(1)
    expect(jaccard(new Set(), new Set())).toBe(0)
  })
})
