import { posix } from 'node:path'
import { isCode, type SourceFile } from './source'
import { child, list, parse, type SyntaxNode } from './syntax'

/** One edge from a file to what it names. */
export interface Import {
  readonly from: string
  readonly line: number
  readonly specifier: string
  /** Erased when compiled: nothing is loaded at run time. */
  readonly typeOnly: boolean
  /** The file of the tree it leads to; absent for a package, for Node's own modules and for what is missing. */
  readonly target?: string
}

const endings = ['', '.ts', '.tsx', '.js', '.json', '/index.ts', '/index.tsx', '/index.js']
const cache = new WeakMap<readonly SourceFile[], readonly Import[]>()

/** Every static, dynamic and type import, `require` and re-export of a tree. */
export function importsOf(files: readonly SourceFile[]): readonly Import[] {
  const known = cache.get(files)
  if (known) return known
  const paths = new Set(files.map((file) => file.path))
  const imports = files.filter((file) => isCode(file.path)).flatMap((file) => importsOfFile(file, paths))
  cache.set(files, imports)
  return imports
}

function importsOfFile(file: SourceFile, paths: ReadonlySet<string>): Import[] {
  const parsed = parse(file)
  return parsed.nodes.flatMap((node) => {
    const named = importOf(node)
    if (!named) return []
    const target = resolveSpecifier(file.path, named.specifier, paths)
    return [{ from: file.path, line: parsed.lineOf(node), ...named, ...(target === undefined ? {} : { target }) }]
  })
}

function importOf(node: SyntaxNode): Pick<Import, 'specifier' | 'typeOnly'> | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
      return edge(child(node, 'source'), node.typeOnly === true || allTypes(list(node, 'specifiers')))
    case 'ExportAllDeclaration':
      return edge(child(node, 'source'), node.typeOnly === true)
    case 'TsImportType':
      return edge(child(node, 'argument'), true)
    case 'TsExternalModuleReference':
      return edge(child(node, 'expression'), false)
    case 'CallExpression':
      return edge(loadedBy(node), false)
    default:
      return undefined
  }
}

const allTypes = (specifiers: readonly SyntaxNode[]): boolean =>
  specifiers.length > 0 && specifiers.every((specifier) => specifier.isTypeOnly === true)

/** The first argument of `import(…)`, `require(…)` and `require.resolve(…)`. */
function loadedBy(call: SyntaxNode): SyntaxNode | undefined {
  const callee = child(call, 'callee')
  const loader = callee?.type === 'MemberExpression' ? child(callee, 'object') : callee
  const loads = loader?.type === 'Import' || (loader?.type === 'Identifier' && loader.value === 'require')
  const [first] = call.arguments as readonly { expression: SyntaxNode }[]
  return loads ? first?.expression : undefined
}

function edge(source: SyntaxNode | undefined, typeOnly: boolean): Pick<Import, 'specifier' | 'typeOnly'> | undefined {
  return source?.type === 'StringLiteral' ? { specifier: String(source.value), typeOnly } : undefined
}

function resolveSpecifier(from: string, specifier: string, paths: ReadonlySet<string>): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const base = posix.join(posix.dirname(from), specifier)
  return endings.map((ending) => base + ending).find((path) => paths.has(path))
}

/** `@scope/name` or `name` of a package; `node` for Node's own modules; absent for a relative specifier. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.')) return undefined
  if (specifier.startsWith('node:')) return 'node'
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** Every file that is loaded at run time when one of `entries` is, with the import that first led to it. */
export function reachable(files: readonly SourceFile[], entries: readonly string[], types: boolean): Set<string> {
  const edges = new Map<string, string[]>()
  for (const { from, target, typeOnly } of importsOf(files)) {
    if (target === undefined || (typeOnly && !types)) continue
    edges.set(from, [...(edges.get(from) ?? []), target])
  }
  const seen = new Set(entries)
  const queue = [...entries]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const target of edges.get(next) ?? []) {
      if (!seen.has(target)) queue.push(target)
      seen.add(target)
    }
  }
  return seen
}
