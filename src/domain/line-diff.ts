/** Texts with more lines than this (after equal ends are cut) are shown as replaced: the table would be too large. */
const maxLines = 600
const contextLines = 2

/** Lines of a diff with a little context: `- ` removed, `+ ` added, `  ` kept, `  …` for what is left out. */
export function diffLines(before: string, after: string): readonly string[] {
  const a = before.split('\n')
  const b = after.split('\n')
  const head = commonPrefix(a, b)
  const tail = commonPrefix(a.slice(head).reverse(), b.slice(head).reverse())
  const middle = diffMiddle(a.slice(head, a.length - tail), b.slice(head, b.length - tail))
  const kept = (lines: readonly string[]) => lines.map((line) => `  ${line}`)
  return withContext([...kept(a.slice(0, head)), ...middle, ...kept(a.slice(a.length - tail))])
}

function commonPrefix(a: readonly string[], b: readonly string[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return length
}

function diffMiddle(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length > maxLines || b.length > maxLines) {
    return [...a.map((line) => `- ${line}`), ...b.map((line) => `+ ${line}`)]
  }
  const common = longestCommon(a, b)
  const lines: string[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i]}`)
      i += 1
      j += 1
    } else if (i < a.length && (j === b.length || at(common, i + 1, j) >= at(common, i, j + 1))) {
      lines.push(`- ${a[i]}`)
      i += 1
    } else {
      lines.push(`+ ${b[j]}`)
      j += 1
    }
  }
  return lines
}

const at = (table: readonly Uint16Array[], i: number, j: number): number => table[i]?.[j] ?? 0

/** `table[i][j]` = length of the longest common subsequence of `a` from i on and `b` from j on. */
function longestCommon(a: readonly string[], b: readonly string[]): readonly Uint16Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const row = table[i] as Uint16Array
    for (let j = b.length - 1; j >= 0; j -= 1) {
      row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1))
    }
  }
  return table
}

function withContext(lines: readonly string[]): readonly string[] {
  const near = lines.map((_, place) =>
    lines.slice(Math.max(0, place - contextLines), place + contextLines + 1).some((line) => !line.startsWith('  ')),
  )
  const shown: string[] = []
  for (const [place, line] of lines.entries()) {
    if (near[place]) shown.push(line)
    else if (shown.at(-1) !== '  …') shown.push('  …')
  }
  return shown
}
