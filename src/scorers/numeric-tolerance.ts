import { isWithin } from '../domain/decimal'
import { numberOption, right, type Scorer, textOption, valueAt, wrong } from './scorer'

/** A number of a JSON output is within a tolerance of its label, the larger of the absolute and the relative one. */
export const numericTolerance: Scorer = {
  name: 'numeric-tolerance',
  options: {
    path: 'dots lead to the number',
    expected: 'dots lead to its label within `expected`; default the same path',
    absolute: 'largest difference; default 0',
    relative: 'largest difference as a share of the label; default 0',
  },
  prepare(options) {
    const path = textOption(numericTolerance, options, 'path')
    const label = textOption(numericTolerance, options, 'expected', path)
    const absolute = numberOption(numericTolerance, options, 'absolute', 0)
    const relative = numberOption(numericTolerance, options, 'relative', 0)
    return {
      score({ parsed, expected }) {
        const got = valueAt(parsed, path)
        const wanted = valueAt(expected, label)
        if (typeof wanted !== 'number') return wrong(`the case has no number ${label}`)
        if (typeof got !== 'number') return wrong(`${path} is not a number`)
        if (isWithin(got, wanted, { absolute, relative })) return right
        return wrong(`${path} is ${got}, expected ${wanted} ± ${Math.max(absolute, relative * Math.abs(wanted))}`)
      },
    }
  },
}
