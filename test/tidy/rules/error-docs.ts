import { type Finding, findAll, type Rule } from '../source'
import { codesOf } from './error-table'

const table = 'src/errors.ts'
const page = 'docs/errors.md'

/** Every code has one row in docs/errors.md, and every row a code. */
export const errorDocs: Rule = {
  name: 'error-docs',
  check(files) {
    const source = files.find(({ path }) => path === table)
    if (!source) return []
    const docs = files.find(({ path }) => path === page) ?? { path: page, text: '' }
    const rows = findAll(docs, /^\| `([a-z_]+)`/gm, (match) => match.slice(3, -1))
    const codes = codesOf(source)
    const known = new Set(codes.map(({ code }) => code))
    const documented = new Set(rows.map(({ message }) => message))
    const missing: Finding[] = codes
      .filter(({ code }) => !documented.has(code))
      .map(({ code, line }) => ({ path: table, line, message: `${code} is not in ${page}: run tools/docs-errors` }))
    const unknown: Finding[] = rows
      .filter(({ message }) => !known.has(message))
      .map((row) => ({ ...row, message: `${row.message} is no code of ${table}: run tools/docs-errors` }))
    return [...missing, ...unknown]
  },
}
