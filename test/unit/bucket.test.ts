import { assertId, bucketOf, murmur3 } from '../../src/domain/bucket'

const cells = 100
/** The 99.99 % point of chi-square with 99 degrees of freedom: a fair hash exceeds it once in ten thousand seeds. */
const chiSquareLimit = 161.32

function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

function countsOf(buckets: Iterable<number>): number[] {
  const counts = Array.from({ length: cells }, () => 0)
  for (const bucket of buckets)
    counts[Math.floor((bucket * cells) / 10_000)] = (counts[Math.floor((bucket * cells) / 10_000)] ?? 0) + 1
  return counts
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

describe('a bucket', () => {
  const salts = ['01JD8Z0Q0V5T3N7W9Y2X4B6C8D', '01JD8Z0Q0V5T3N7W9Y2X4B6C8E', 'r']

  it.each(salts)('is uniform over conversations under the salt %s', (salt) => {
    const buckets = numbers(50_000).map((index) => bucketOf(salt, 'acme', `conversation-${index}`))
    expect(chiSquare(countsOf(buckets))).toBeLessThan(chiSquareLimit)
    expect(Math.min(...buckets)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...buckets)).toBeLessThanOrEqual(9_999)
  })

  it.each(salts)('is uniform over tenants under the salt %s', (salt) => {
    const buckets = numbers(50_000).map((index) => bucketOf(salt, `tenant-${index}`))
    expect(chiSquare(countsOf(buckets))).toBeLessThan(chiSquareLimit)
  })

  it('would not pass for uniform where it leans', () => {
    const leaning = numbers(50_000).map((index) => {
      const bucket = bucketOf('r', 'acme', `conversation-${index}`)
      return index % 20 === 0 ? Math.floor(bucket / 2) : bucket
    })
    expect(chiSquare(countsOf(leaning))).toBeGreaterThan(chiSquareLimit)
  })

  it('of one release tells nothing about the next: the joint distribution is uniform', () => {
    const joint = numbers(50_000).map((index) => {
      const [first, second] = ['r1', 'r2'].map((salt) => bucketOf(salt, 'acme', `c-${index}`))
      return Math.floor((first ?? 0) / 1_000) * 1_000 + Math.floor((second ?? 0) / 1_000) * 100
    })
    expect(chiSquare(countsOf(joint))).toBeLessThan(chiSquareLimit)
  })

  it('keeps salt, tenant and conversation apart', () => {
    const parts = [
      ['a', 'bc', 'd'],
      ['ab', 'c', 'd'],
      ['a', 'b', 'cd'],
    ] as const
    expect(new Set(parts.map(([salt, tenant, conversation]) => bucketOf(salt, tenant, conversation))).size).toBe(3)
    expect(bucketOf('a', 'b')).not.toBe(bucketOf('a', 'b', 'c'))
  })
})

describe('murmur3', () => {
  it.each([
    ['', 0],
    ['hello', 0x248bfa47],
    ['hello, world', 0x149bbb7f],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
  ])('has the known answer for %j', (text, hash) => {
    expect(murmur3(text)).toBe(hash)
  })
})

describe('an id', () => {
  const refused = expect.objectContaining({ code: 'invalid_id', details: { name: 'tenant' } })

  it.each([
    ['empty', ''],
    ['of 257 units', 'x'.repeat(257)],
    ['with NUL', 'a\0b'],
    ['with a lone high surrogate', 'a\ud83d'],
    ['with a lone low surrogate', '\ude00a'],
    ['with two high surrogates', '\ud83d\ud83d\ude00'],
    ['of null', null],
    ['of undefined', undefined],
    ['of a number', 7],
    ['of a list', ['acme']],
  ])('%s is refused, also from callers without types', (_, id) => {
    expect(() => assertId('tenant', id as string)).toThrow(refused)
  })

  it.each([
    ['tenant', 'ac\0me', 'c'],
    ['tenant', 'acme-acme\0', 'c'],
    ['tenant', '\ud83d', 'c'],
    ['conversation', 'acme', '\0'],
    ['conversation', 'acme', 'conv\0ersation'],
    ['conversation', 'acme', 'conversation-\ude00'],
  ])('of a %s that has no hash has no bucket either', (name, tenant, conversation) => {
    expect(() => bucketOf('salt', tenant, conversation)).toThrow(
      expect.objectContaining({ code: 'invalid_id', details: { name } }),
    )
  })

  it.each(['a', ' ', '日本', '😀'.repeat(128), 'x'.repeat(256), '__proto__', '\u0001'])('%j is taken', (id) => {
    expect(() => assertId('tenant', id)).not.toThrow()
  })
})
