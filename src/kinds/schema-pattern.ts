const maxPatternLength = 500
const maxUnbounded = 4
/** Counted repeats up to here are as good as written out. */
const maxCountedRepeat = 1000

/**
 * Why a regular expression is refused, or undefined where it is safe to run on a model's output: backtracking engines
 * take exponential time on repeated groups that repeat or choose within, so those, look-around and back-references
 * are not taken.
 */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > maxPatternLength) return `is longer than ${maxPatternLength}`
  try {
    new RegExp(pattern, 'u')
  } catch (error) {
    return (error as Error).message
  }
  const bare = pattern
    .replace(/\\[1-9k]/g, '\u0000')
    .replace(/\\./g, 'x')
    .replace(/\[[^\]]*\]/g, 'x')
  if (bare.includes('\u0000')) return 'has a back-reference'
  if (/\(\?(<?[=!])/.test(bare)) return 'looks ahead or behind'
  const counted = [...bare.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].some((match) =>
    [match[1], match[2]].some((count) => Number(count ?? 0) > maxCountedRepeat),
  )
  if (counted) return `repeats more than ${maxCountedRepeat} times`
  if ((bare.match(/[*+]|\{\d+,\}/g) ?? []).length > maxUnbounded) return `has more than ${maxUnbounded} open repeats`
  return hasRepeatedGroup(bare) ? 'repeats a group that itself repeats or chooses' : undefined
}

function hasRepeatedGroup(bare: string): boolean {
  const open: { risky: boolean }[] = []
  for (let place = 0; place < bare.length; place += 1) {
    const letter = bare.charAt(place)
    if (letter === '(') open.push({ risky: false })
    else if (letter === ')') {
      const group = open.pop()
      const isRepeated = /^([*+]|\{\d+,?\d*\})/.test(bare.slice(place + 1))
      const parent = open.at(-1)
      if (group?.risky && isRepeated) return true
      if (parent && (group?.risky || isRepeated)) parent.risky = true
    } else if (/[*+|{]/.test(letter)) {
      const group = open.at(-1)
      if (group) group.risky = true
    }
  }
  return false
}
