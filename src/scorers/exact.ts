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
        return textOf(wanted)?.trim() === text.trim() ? right : wrong(`expected ${shortJson(wanted)}`)
      },
    }
  },
}

/** An object as JSON: what JavaScript makes of it is the same for all, or an error. What is missing equals no text. */
const textOf = (value: unknown): string | undefined =>
  typeof value === 'object' || value === undefined ? JSON.stringify(value) : String(value)
