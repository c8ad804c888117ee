import { parseSync } from '@swc/core'
import type { SourceFile } from './source'

/** A node of swc's tree: a `type`, a span in bytes, and children under any other name. */
export interface SyntaxNode {
  readonly type: string
  readonly span?: { readonly start: number; readonly end: number }
  readonly [field: string]: unknown
}

export interface ParsedFile {
  readonly nodes: readonly SyntaxNode[]
  /** The node that holds this one; absent at the top. */
  parent(node: SyntaxNode): SyntaxNode | undefined
  lineOf(node: SyntaxNode): number
  endLineOf(node: SyntaxNode): number
  textOf(node: SyntaxNode): string
}

/** The parser counts from wherever it left off, so a statement in front marks where this file begins. */
const mark = '0;'
const cache = new WeakMap<SourceFile, ParsedFile>()

/** The syntax tree of a TypeScript file as a flat list, parents before children. Throws on a syntax error. */
export function parse(file: SourceFile): ParsedFile {
  const known = cache.get(file)
  if (known) return known
  const parsed = parseText(file)
  cache.set(file, parsed)
  return parsed
}

function parseText(file: SourceFile): ParsedFile {
  const code = mark + file.text.replace(/^#!/, '//')
  const module = parseSync(code, { syntax: 'typescript', tsx: file.path.endsWith('.tsx'), target: 'es2022' })
  const bytes = Buffer.from(code)
  const base = module.body[0]?.span.start ?? 0
  const parents = new Map<SyntaxNode, SyntaxNode>()
  const nodes: SyntaxNode[] = []
  for (const statement of module.body.slice(1)) gather(statement as unknown as SyntaxNode, nodes, parents)
  const lineOfByte = lineCounter(bytes)
  return {
    nodes,
    parent: (node) => parents.get(node),
    lineOf: (node) => lineOfByte((node.span?.start ?? base) - base),
    endLineOf: (node) => lineOfByte((node.span?.end ?? base) - base - 1),
    textOf: (node) => bytes.subarray((node.span?.start ?? base) - base, (node.span?.end ?? base) - base).toString(),
  }
}

function gather(node: SyntaxNode, nodes: SyntaxNode[], parents: Map<SyntaxNode, SyntaxNode>): void {
  nodes.push(node)
  for (const child of childrenOf(node)) {
    parents.set(child, node)
    gather(child, nodes, parents)
  }
}

/** Child nodes, also those inside arrays and inside holders without a type of their own. */
function childrenOf(holder: object): SyntaxNode[] {
  return Object.values(holder).flatMap((value) => {
    if (typeof value !== 'object' || value === null) return []
    if (isNode(value)) return [value]
    return childrenOf(value)
  })
}

const isNode = (value: object): value is SyntaxNode => 'type' in value && typeof value.type === 'string'

function lineCounter(bytes: Buffer): (offset: number) => number {
  const ends: number[] = []
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) ends.push(at)
  return (offset) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends[middle] ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return low + 1
  }
}

/** A child node under a name; absent where there is none. */
export function child(node: SyntaxNode, field: string): SyntaxNode | undefined {
  const value = node[field]
  return typeof value === 'object' && value !== null && isNode(value) ? value : undefined
}

/** Child nodes under a name that holds a list. */
export function list(node: SyntaxNode, field: string): readonly SyntaxNode[] {
  const value = node[field]
  return Array.isArray(value) ? value.filter((item) => item !== null && typeof item === 'object' && isNode(item)) : []
}

export const isIdentifier = (node: SyntaxNode | undefined, name: string): boolean =>
  node?.type === 'Identifier' && node.value === name

/** Whether a node reads `object.property`. */
export const isMember = (node: SyntaxNode, object: string, property?: string): boolean =>
  node.type === 'MemberExpression' &&
  isIdentifier(child(node, 'object'), object) &&
  (property === undefined || isIdentifier(child(node, 'property'), property))
