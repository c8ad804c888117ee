/** What is wrong with a JSON value before anybody looks at what it says; undefined where nothing is. */
export type NestingFault = 'deep' | 'reserved'

/**
 * Looks a JSON value over without recursion, so that no value is too deep to be refused: whether it is nested deeper
 * than `levels`, or has a key `__proto__`, which assignments take for the prototype of an object.
 */
export function nestingFault(value: unknown, levels: number): NestingFault | undefined {
  let row: readonly unknown[] = [value]
  for (let level = 0; row.length > 0; level += 1) {
    const below: unknown[] = []
    for (const node of row) {
      if (typeof node !== 'object' || node === null) continue
      if (level >= levels) return 'deep'
      if (Object.hasOwn(node, '__proto__')) return 'reserved'
      for (const part of Object.values(node)) if (typeof part === 'object') below.push(part)
    }
    row = below
  }
  return undefined
}

/** The same in words, for messages. */
export const nestingText = (fault: NestingFault, levels: number): string =>
  fault === 'deep' ? `is nested deeper than ${levels} levels` : 'names the reserved key __proto__'
