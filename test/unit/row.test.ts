import { maxRowDepth, rowId, rowProblem, rowShape } from '../../src/domain/row'

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level += 1) value = [value]
  return value
}

describe('a row', () => {
  it.each<[string, unknown]>([
    ['text in any script', { id: '€ 𝄞', 'a.b': { $ref: 1 } }],
    ['values of every type', { a: null, b: true, c: -0.5, d: ['x', { y: [] }], e: 1e308 }],
    ['lists as deep as is allowed', { a: nested(maxRowDepth - 1) }],
    ['a constructor that is a plain value', { constructor: 'Airbus' }],
  ])('takes %s', (_, value) => {
    expect(rowProblem(value)).toBeUndefined()
  })

  it.each<[string, unknown, RegExp]>([
    ['a list', [1], /no JSON object/],
    ['null', null, /no JSON object/],
    ['a number that is not finite', { a: [Number.POSITIVE_INFINITY] }, /not finite/],
    ['NaN', { a: Number.NaN }, /not finite/],
    ['what is no JSON', { a: undefined }, /type undefined/],
    ['half a character', { a: ['\ud800'] }, /surrogate/],
    ['half a character in a key', { a: { '\udc00': 1 } }, /surrogate/],
    ['__proto__, however deep', JSON.parse('{"a":[{"__proto__":1}]}'), /__proto__/],
    ['constructor.prototype', JSON.parse('{"constructor":{"prototype":1}}'), /constructor\.prototype/],
    ['an empty key', { '': 1 }, /empty/],
    ['a key of 201 characters', { ['k'.repeat(201)]: 1 }, /longer than 200/],
    ['201 keys', Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`k${n}`, 1])), /more than 200 keys/],
    ['lists deeper than is allowed', { a: nested(maxRowDepth + 1) }, /nested more than 100/],
    ['100,000 lists within each other', { a: nested(100_000) }, /nested more than 100/],
  ])('refuses %s', (_, value, problem) => {
    expect(rowProblem(value)).toMatch(problem)
  })

  it('has a shape that does not depend on the order of its keys', () => {
    expect(rowShape({ b: [1], a: null, c: 'x' })).toBe(rowShape({ c: 'y', b: [], a: null }))
    expect(JSON.parse(rowShape({ b: [1], a: null, c: 1 }))).toEqual({ a: 'null', b: 'array', c: 'number' })
  })

  it('is paired by its own id, if that is a text or a number', () => {
    expect([rowId({ id: 'a' }), rowId({ id: 7 }), rowId({ id: '7' })]).toEqual(['"a"', '7', '"7"'])
    expect([rowId({}), rowId({ id: null }), rowId({ id: { a: 1 } }), rowId({ id: 'x'.repeat(201) })]).toEqual(
      Array(4).fill(undefined),
    )
  })
})
