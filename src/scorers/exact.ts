import { shortJson } from '../domain/diff'
import { right, type Scorer, textOption, valueAt, wrong } from './scorer'

/** The whole text equals the expected text; white space around both is ignored. */
export const exact: Scorer = {
  name: 'exact',
  options: { expected: 'key of the expected text; default `text`' },
  prepare(options) {
    const key = textOption(exact, options, 'expected', 'text')
    return {
      score({ text, expected }) {
        const wanted = valueAt(expected, key)
        return String(wanted).trim() === text.trim() ? right : wrong(`expected ${shortJson(wanted)}`)
      },
    }
  },
}
