import { sameJson, shortJson } from '../domain/diff'
import { right, type Scorer, textOption, valueAt, wrong } from './scorer'

/** One field of a JSON output equals its label as JSON; the order of keys does not matter. */
export const field: Scorer = {
  name: 'field',
  options: {
    path: 'dots lead to the field, such as `report.resolved`',
    expected: 'dots lead to its label within `expected`; default the same path',
  },
  prepare(options) {
    const path = textOption(field, options, 'path')
    const label = textOption(field, options, 'expected', path)
    return {
      score({ parsed, expected }) {
        const got = valueAt(parsed, path)
        const wanted = valueAt(expected, label)
        if (wanted === undefined) return wrong(`the case has no label ${label}`)
        return sameJson(got, wanted) ? right : wrong(`${path} is ${shortJson(got)}, expected ${shortJson(wanted)}`)
      },
    }
  },
}
