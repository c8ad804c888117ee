import { type Finding, isCode, type Rule, type SourceFile } from '../source'
import { child, isIdentifier, list, type ParsedFile, parse, type SyntaxNode } from '../syntax'

const maxLines = 70
const maxParameters = 4
const functions = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
])

/** A function is read on one screen and takes few arguments; `describe` only groups tests and may be longer. */
export const functionSize: Rule = {
  name: 'function-size',
  check: (files) => files.filter((file) => isCode(file.path)).flatMap(checkFile),
}

function checkFile(file: SourceFile): Finding[] {
  const parsed = parse(file)
  return parsed.nodes
    .filter((node) => functions.has(node.type))
    .flatMap((node) => {
      const found: Finding[] = []
      const line = parsed.lineOf(node)
      const lines = parsed.endLineOf(node) - line + 1
      const parameters = parametersOf(node)
      if (lines > maxLines && !groupsTests(parsed, node)) {
        const message = `a function of ${lines} lines, at most ${maxLines}: keep the branches, move pure leaves below`
        found.push({ path: file.path, line, message })
      }
      if (parameters > maxParameters) {
        const message = `${parameters} parameters, at most ${maxParameters}: take one record instead`
        found.push({ path: file.path, line, message })
      }
      return found
    })
}

function parametersOf(node: SyntaxNode): number {
  const holder = node.type === 'ClassMethod' || node.type === 'PrivateMethod' ? (node.function as SyntaxNode) : node
  return list(holder, 'params').filter((parameter) => !isIdentifier(child(parameter, 'pat') ?? parameter, 'this'))
    .length
}

function groupsTests(parsed: ParsedFile, node: SyntaxNode): boolean {
  const call = parsed.parent(node)
  if (call?.type !== 'CallExpression') return false
  return /^describe\b/.test(parsed.textOf(call))
}
