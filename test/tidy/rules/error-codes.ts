import { type Finding, isCode, isTest, type Rule, type SourceFile } from '../source'
import { child, isIdentifier, parse } from '../syntax'
import { codesOf } from './error-table'

const table = 'src/errors.ts'

/** Errors are thrown with codes of the table, and a code that nothing throws is not promised. */
export const errorCodes: Rule = {
  name: 'error-codes',
  check(files) {
    const source = files.find(({ path }) => path === table)
    if (!source) return []
    const codes = codesOf(source)
    const known = new Set(codes.map(({ code }) => code))
    const product = files.filter(({ path }) => isCode(path) && !isTest(path) && path !== table)
    const said = new Set(product.flatMap((file) => stringsOf(file)))
    const dead: Finding[] = codes
      .filter(({ code }) => !said.has(code))
      .map(({ code, line }) => ({ path: table, line, message: `nothing says ${code}: use it or take it out` }))
    return [...product.flatMap((file) => unknownCodes(file, known)), ...dead]
  },
}

function stringsOf(file: SourceFile): string[] {
  return parse(file)
    .nodes.filter((node) => node.type === 'StringLiteral')
    .map((node) => String(node.value))
}

function unknownCodes(file: SourceFile, known: ReadonlySet<string>): Finding[] {
  const parsed = parse(file)
  return parsed.nodes.flatMap((node) => {
    if (node.type !== 'NewExpression' || !isIdentifier(child(node, 'callee'), 'SluiceError')) return []
    const [first] = (node.arguments ?? []) as readonly { expression: { type: string; value?: unknown } }[]
    if (first?.expression.type !== 'StringLiteral' || known.has(String(first.expression.value))) return []
    return [{ path: file.path, line: parsed.lineOf(node), message: `${first.expression.value} is no code of ${table}` }]
  })
}
