import { invalidOptions, right, type Scorer, textOption, wrong } from './scorer'

/** The text matches a regular expression. */
export const regex: Scorer = {
  name: 'regex',
  options: { pattern: 'JavaScript regular expression', flags: 'its flags; default none' },
  prepare(options) {
    const pattern = textOption(regex, options, 'pattern')
    const flags = options.flags === undefined ? '' : textOption(regex, options, 'flags')
    const expression = compile(pattern, flags.replaceAll(/[gy]/g, ''))
    return ({ text }) => (expression.test(text) ? right : wrong(`does not match ${expression}`))
  },
}

function compile(pattern: string, flags: string): RegExp {
  try {
    return new RegExp(pattern, flags)
  } catch (error) {
    return invalidOptions(regex.name, (error as Error).message)
  }
}
