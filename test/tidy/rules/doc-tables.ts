import type { Finding, Rule, SourceFile } from '../source'

/** A table of a page is whole: a header, the line below it, and as many cells in each row. A blank line ends a table. */
export const docTables: Rule = {
  name: 'doc-tables',
  check: (files) => files.filter(({ path }) => path.endsWith('.md')).flatMap(checkPage),
}

const cellsOf = (row: string): number => row.replace(/\\\|/g, '').split('|').length
const ruler = /^\|(\s*:?-+:?\s*\|)+\s*$/

function checkPage({ path, text }: SourceFile): Finding[] {
  const findings: Finding[] = []
  const lines = text.split('\n')
  let isCode = false
  let header: string | undefined
  for (const [index, line] of lines.entries()) {
    if (line.trimStart().startsWith('```')) isCode = !isCode
    if (isCode || !line.startsWith('|')) {
      header = undefined
    } else if (header === undefined) {
      header = line
      if (!ruler.test(lines[index + 1] ?? '')) findings.push({ path, line: index + 1, message: 'a row of no table' })
    } else if (cellsOf(line) !== cellsOf(header)) {
      findings.push({ path, line: index + 1, message: 'a row has other cells than the header of its table' })
    }
  }
  return findings
}
