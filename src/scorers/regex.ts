import { invalidOptions, right, type Scorer, textOption, wrong } from './scorer'
import { timedMatch } from './timed-match'

/** The text matches a regular expression, one that is safe to run on whatever a model answers. */
export const regex: Scorer = {
  name: 'regex',
  options: {
    pattern: 'JavaScript regular expression, without look-around, back-references and repeats within repeats',
    flags: 'its flags, of `i`, `m`, `s`, `u` and `v`; default none',
  },
  prepare(options, { patternFault }) {
    const pattern = textOption(regex, options, 'pattern')
    const flags = options.flags === undefined ? '' : textOption(regex, options, 'flags')
    const expression = compile(pattern, flags.replaceAll(/[gy]/g, ''))
    const fault = patternFault(pattern)
    if (fault !== undefined) invalidOptions(regex.name, `the pattern is not taken: it ${fault}.`)
    const matches = timedMatch(expression)
    return { score: ({ text }) => (matches(text) ? right : wrong(`does not match ${expression}`)) }
  },
}

function compile(pattern: string, flags: string): RegExp {
  try {
    return new RegExp(pattern, flags)
  } catch (error) {
    return invalidOptions(regex.name, (error as Error).message)
  }
}
