import { compilePattern } from '../domain/pattern'
import { PatternFault, type PatternNode, parsePattern } from '../domain/pattern-parse'

/** Repeats of undecided length; each multiplies the time of an engine that backtracks by the length of the text. */
const maxOpenRepeats = 4
/** Parts that may be left out; each doubles that time. */
const maxOptionals = 20
/** Counted repeats up to here are as good as written out. */
const maxCountedRepeat = 1000
/** A counted repeat with more to choose from is as undecided as `*`. */
const decided = 20

/**
 * Why a regular expression is refused, or undefined where it is taken. We match in linear time, but a schema also goes
 * to validators of others, which backtrack: there a repeated group that repeats or chooses within takes exponential
 * time. So those are not taken, nor is what needs backtracking at all (look-around, back-references).
 */
export function patternFault(pattern: string, flags = 'u'): string | undefined {
  try {
    const node = parsePattern(pattern, flags)
    compilePattern(pattern, flags)
    const found = { open: 0, optional: 0 }
    return faultOf(node, false, found) ?? countFault(found)
  } catch (error) {
    if (error instanceof PatternFault) return error.message
    throw error
  }
}

function faultOf(node: PatternNode, repeated: boolean, found: { open: number; optional: number }): string | undefined {
  if (node.kind === 'choice' && repeated) return 'repeats a group that itself repeats or chooses'
  if (node.kind === 'sequence' || node.kind === 'choice') {
    for (const part of node.parts) {
      const fault = faultOf(part, repeated, found)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  if (node.kind !== 'repeat') return undefined
  const { min, max, part } = node
  if (Math.max(min, Number.isFinite(max) ? max : min) > maxCountedRepeat)
    return `repeats more than ${maxCountedRepeat} times`
  if (repeated && max !== min) return 'repeats a group that itself repeats or chooses'
  if (max - min > decided) found.open += 1
  else found.optional += max - min
  return faultOf(part, repeated || max > 1, found)
}

function countFault({ open, optional }: { readonly open: number; readonly optional: number }): string | undefined {
  if (open > maxOpenRepeats) return `has more than ${maxOpenRepeats} open repeats`
  return optional > maxOptionals ? `has more than ${maxOptionals} optional parts` : undefined
}
