/** Why a regular expression is not taken; the message completes "the pattern …". */
export class PatternFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PatternFault'
  }
}

/** One character that an expression takes: a letter, a class, an escape. */
export interface Atom {
  takes(character: string): boolean
}

/** `^`, `$`, `\b` and `\B`: what stands before and after; absent at the ends of the text. */
export type Assertion = (before: string | undefined, after: string | undefined) => boolean

export type PatternNode =
  | { readonly kind: 'atom'; readonly atom: Atom }
  | { readonly kind: 'assertion'; readonly holds: Assertion }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number }

const maxPatternLength = 500

/**
 * Reads a JavaScript regular expression without back-references and look-around, which is all that can be matched in
 * linear time. What one character class or escape takes is asked of the platform, character by character, so that it
 * means what it means there. Throws `PatternFault`.
 */
export function parsePattern(pattern: string, flags: string): PatternNode {
  if (pattern.length > maxPatternLength) throw new PatternFault(`is longer than ${maxPatternLength}`)
  if (flags.includes('v')) throw new PatternFault('has the flag v')
  try {
    new RegExp(pattern, flags)
  } catch (error) {
    throw new PatternFault((error as Error).message)
  }
  const reader = new PatternReader(pattern, flags)
  return reader.readChoice()
}

const assertionsOf = (flags: string) => {
  const isLineEnd = (character: string) => /[\n\r\u2028\u2029]/.test(character)
  const word = new RegExp('^\\w$', flags.replace(/[^iu]/g, ''))
  const isWord = (character: string | undefined) => character !== undefined && word.test(character)
  const lines = flags.includes('m')
  const start: Assertion = (before) => before === undefined || (lines && isLineEnd(before))
  const end: Assertion = (_, after) => after === undefined || (lines && isLineEnd(after))
  const boundary: Assertion = (before, after) => isWord(before) !== isWord(after)
  const within: Assertion = (before, after) => isWord(before) === isWord(after)
  return new Map([
    ['^', start],
    ['$', end],
    ['\\b', boundary],
    ['\\B', within],
  ])
}

const unlimited = Number.POSITIVE_INFINITY
/** What one atom or assertion is written as, longest first; the syntax was checked by the platform. */
const unicodeAtom =
  /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u\{[0-9a-fA-F]+\}|\\[pP]\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\c[a-zA-Z]|\\.|\[(?:\\.|[^\]\\])*\]|./suy
const plainAtom = /\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\c[a-zA-Z]|\\.|\[(?:\\.|[^\]\\])*\]|./sy
const quantifier = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/y

class PatternReader {
  private readonly pattern: string
  private readonly flags: string
  private readonly assertions: ReadonlyMap<string, Assertion>
  private place = 0

  constructor(pattern: string, flags: string) {
    this.pattern = pattern
    this.flags = flags
    this.assertions = assertionsOf(flags)
  }

  /** Up to the closing parenthesis or the end. */
  readChoice(): PatternNode {
    const parts = [this.readSequence()]
    while (this.pattern[this.place] === '|') {
      this.place += 1
      parts.push(this.readSequence())
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'choice', parts }
  }

  private readSequence(): PatternNode {
    const parts: PatternNode[] = []
    while (this.place < this.pattern.length && !'|)'.includes(this.pattern.charAt(this.place))) {
      parts.push(this.readQuantified(this.readPart()))
    }
    return { kind: 'sequence', parts }
  }

  private readPart(): PatternNode {
    if (this.pattern[this.place] === '(') return this.readGroup()
    const written = this.take(this.flags.includes('u') ? unicodeAtom : plainAtom)?.[0] ?? ''
    const holds = this.assertions.get(written)
    if (holds !== undefined) return { kind: 'assertion', holds }
    if (/^\\[1-9k]/.test(written)) throw new PatternFault('has a back-reference')
    return { kind: 'atom', atom: atomOf(written, this.flags) }
  }

  private readGroup(): PatternNode {
    if (this.take(/\(\?<?[=!]/y)) throw new PatternFault('looks ahead or behind')
    if (!this.take(/\(\?:|\(\?<[^>]*>|\((?!\?)/y)) throw new PatternFault('changes its flags within')
    const inner = this.readChoice()
    this.place += 1
    return inner
  }

  private readQuantified(part: PatternNode): PatternNode {
    const found = this.take(quantifier)
    if (!found) return part
    const [, sign, least, comma, most] = found
    if (sign !== undefined)
      return { kind: 'repeat', part, min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : unlimited }
    const min = Number(least)
    const max = comma === undefined ? min : most === '' ? unlimited : Number(most)
    return { kind: 'repeat', part, min, max }
  }

  private take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.place
    const found = expression.exec(this.pattern)
    if (found) this.place += found[0].length
    return found
  }
}

/** What an atom takes of ASCII is remembered. */
const remembered = 128

function atomOf(written: string, flags: string): Atom {
  const single = new RegExp(`^(?:${written})$`, flags.replace(/[^ius]/g, ''))
  const known: (boolean | undefined)[] = []
  return {
    takes(character) {
      const code = character.charCodeAt(0)
      if (code >= remembered) return single.test(character)
      known[code] ??= single.test(character)
      return known[code] === true
    },
  }
}
