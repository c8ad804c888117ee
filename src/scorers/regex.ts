import { compilePattern, type LinearPattern } from '../domain/pattern'
import { PatternFault } from '../domain/pattern-parse'
import { invalidOptions, right, type Scorer, textOption, wrong } from './scorer'

/** The text matches a regular expression, one that takes time in proportion to whatever a model answers. */
export const regex: Scorer = {
  name: 'regex',
  options: {
    pattern: 'JavaScript regular expression, without look-around, back-references and repeats within repeats',
    flags: 'its flags, of `i`, `m`, `s` and `u`; default none',
  },
  prepare(options, { patternFault }) {
    const pattern = textOption(regex, options, 'pattern')
    const flags = options.flags === undefined ? '' : textOption(regex, options, 'flags')
    const expression = compile(pattern, flags.replaceAll(/[gy]/g, ''))
    const fault = patternFault(pattern)
    if (fault !== undefined) invalidOptions(regex.name, `the pattern is not taken: it ${fault}.`)
    return { score: ({ text }) => (expression.test(text) ? right : wrong(`does not match ${expression}`)) }
  },
}

function compile(pattern: string, flags: string): LinearPattern {
  try {
    return compilePattern(pattern, flags)
  } catch (error) {
    if (!(error instanceof PatternFault)) throw error
    return invalidOptions(regex.name, `the pattern is not taken: it ${error.message}.`)
  }
}
