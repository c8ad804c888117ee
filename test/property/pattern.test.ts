import fc from 'fast-check'
import { compilePattern } from '../../src/domain/pattern'
import { patternFault } from '../../src/kinds/schema-pattern'
import { runs } from '../support/effort'

const atoms = [
  'a',
  'b',
  '\\d',
  '\\w',
  '\\s',
  '.',
  '[a-c]',
  '[^a]',
  '\\u0062',
  '\\x61',
  'é',
  '\\p{L}',
  '😀',
  '^',
  '$',
  '\\b',
  '\\B',
]
const quantifiers = ['', '', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '*?', '+?']
const expressions = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc
      .tuple(fc.constantFrom(...atoms), fc.constantFrom(...quantifiers))
      .map(([atom, times]) => (/^(\^|\$|\\b)$/i.test(atom) ? atom : atom + times)),
    fc.array(tie('node'), { maxLength: 4 }).map((parts) => parts.join('')),
    fc.array(tie('node'), { minLength: 2, maxLength: 3 }).map((parts) => `(?:${parts.join('|')})`),
    fc.tuple(tie('node'), fc.constantFrom(...quantifiers)).map(([part, times]) => `(${part})${times}`),
  ),
})).node
const texts = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '\n', 'é', '😀', 'A'), maxLength: 8 })

describe('a pattern in linear time', () => {
  it.each(['u', 'iu', 'mu', 'su'])('answers what the platform does, with the flags %s', (flags) => {
    fc.assert(
      fc.property(expressions, fc.array(texts, { minLength: 8, maxLength: 8 }), (expression, samples) => {
        const platform = new RegExp(expression, flags)
        const pattern = compilePattern(expression, flags)
        for (const text of samples) {
          // V8 looks for `\\B` between the halves of a character too, against the standard.
          if (expression.includes('\\B') && text.includes('😀')) continue
          expect(pattern.test(text)).toBe(platform.test(text))
        }
      }),
      { numRuns: runs(1_000) },
    )
  })

  it('takes UTF-16 units without the flag u, as the platform does', () => {
    for (const expression of ['^.$', '^..$', '^[😀]$', '\\-', 'a{', '\\u{2}']) {
      for (const text of ['😀', 'a', '-', 'a{', 'uu']) {
        expect([expression, text, compilePattern(expression).test(text)]).toEqual([
          expression,
          text,
          new RegExp(expression).test(text),
        ])
      }
    }
  })

  it.each([
    '^(a+)+$',
    '(a|a)*b',
    '(a|aa)+$',
    '(.*a){12}b',
    'a?a?a?a?a?a?a?a?a?a?aaaaaaaaaa',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
  ])('does at most so many steps a character as it has instructions: %s', (expression) => {
    const pattern = compilePattern(expression, 'u')
    const length = 20_000
    const { steps } = pattern.run(`${'a'.repeat(length)}!`)
    expect(steps).toBeLessThanOrEqual(pattern.size * (length + 2))
  })
})

describe('a pattern is refused that other validators would run for ever', () => {
  it.each([
    '^(a+)+$',
    '(a|a)*b',
    '(a?){30}a{30}',
    '(.*a){20}',
    'a*a*a*a*a*b',
    'a{0,900}a{0,900}a{0,900}a{0,900}a{0,900}b',
    `${'a?'.repeat(30)}${'a'.repeat(30)}`,
    '((a{900}){900}){900}',
    '(a)\\1',
    '(?=a)b',
    '(?<!a)b',
    '(',
    'a'.repeat(501),
  ])('%s', (pattern) => {
    expect(patternFault(pattern)).toEqual(expect.any(String))
  })

  it.each([
    '^[A-Z]{3}-\\d+$',
    '^(yes|no)$',
    '^\\d{4}-\\d{2}-\\d{2}$',
    '^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$',
    '\\p{Lu}',
    '^-?\\d+(\\.\\d+)?([eE][+-]?\\d+)?$',
  ])('but not %s', (pattern) => {
    expect(patternFault(pattern)).toBeUndefined()
  })
})
