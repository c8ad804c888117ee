import { right, type Scorer, textOption, valueAt, wrong } from './scorer'

/** One field of a JSON output equals its label. */
export const field: Scorer = {
  name: 'field',
  options: {
    path: 'dots lead to the field, such as `report.resolved`',
    expected: 'dots lead to its label within `expected`; default the same path',
  },
  prepare(options) {
    const path = textOption(field, options, 'path')
    const label = textOption(field, options, 'expected', path)
    return ({ parsed, expected }) => {
      const got = valueAt(parsed, path)
      const wanted = valueAt(expected, label)
      if (wanted === undefined) return wrong(`the case has no label ${label}`)
      return same(got, wanted) ? right : wrong(`${path} is ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`)
    }
  },
}

/** Equal as JSON values; the order of keys does not matter. */
function same(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every(
    (key) =>
      Object.hasOwn(right, key) &&
      same((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
  )
}
