import { inspect } from 'node:util'
import fc from 'fast-check'
import { readYaml } from '../../../src/cli/workspace-file'
import { SluiceError } from '../../../src/errors'
import { runs } from '../../support/effort'

/** What reading gives, or the code and words of its refusal without the place. */
function reading(text: string): string {
  try {
    return inspect(readYaml(text, 'a.json'), { depth: Number.POSITIVE_INFINITY, maxArrayLength: null })
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code} ${error.message.replace(/^a\.json(:\d+)?/, '')}`
    throw error
  }
}

/** A comment is no JSON, so the same words are read as YAML. */
const asYaml = (text: string): string => reading(`# YAML\n${text}`)

describe('JSON in a workspace', () => {
  it('is read as it is as YAML', () => {
    const value = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })
    const container = fc.oneof(fc.array(value), fc.dictionary(fc.string({ unit: 'grapheme' }), value))
    fc.assert(
      fc.property(container, fc.constantFrom(undefined, 1, 2, '\t'), (content, indent) => {
        const text = JSON.stringify(content, undefined, indent)
        expect(reading(text)).toBe(asYaml(text))
      }),
      { numRuns: runs(400) },
    )
  })

  it.each([
    ['a key twice', '{"a":1,"a":2}'],
    ['a key twice, written otherwise', '{"a":1,"\\u0061":2}'],
    ['a key twice, far below', '{"b":[{"c":{"a":1, "a":1}}]}'],
    ['a reserved key', '{"a":{"__proto__":1}}'],
    ['more levels than a file may have', `${'['.repeat(201)}${']'.repeat(201)}`],
    ...[197, 198, 199, 200].flatMap((levels) => [
      [`${levels} levels of lists`, `${'['.repeat(levels)}${']'.repeat(levels)}`],
      [`${levels} levels of maps`, `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`],
    ]),
    ['carriage returns alone', '{"a":1,\r"b":[1,\r2]}'],
    ['no end', '{"a":["b'],
    ['numbers in many forms', '[1e3, 1.0, -0, 1E-2, 12345678901234567891, 0.1]'],
    ['escapes', '["\\u00e9\\/\\t\\ud83d\\ude00", "\\ud800"]'],
    ['keys that look like numbers', '{"2":1,"10":2,"1":3}'],
    ['white space in words and between them', '{ " a " :\r\n\t[ " \\" , : ", "b\\\\" ] }'],
  ])('with %s is read, or refused, as it is as YAML', (_, text) => {
    expect(reading(text)).toBe(asYaml(text))
  })
})
