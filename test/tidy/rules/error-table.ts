import type { SourceFile } from '../source'
import { child, list, parse } from '../syntax'

export interface CodeRow {
  readonly code: string
  readonly line: number
}

/** The codes of `errorTable` in src/errors.ts, in its order. */
export function codesOf(file: SourceFile): readonly CodeRow[] {
  const parsed = parse(file)
  const table = parsed.nodes.find(
    (node) => node.type === 'VariableDeclarator' && child(node, 'id')?.value === 'errorTable',
  )
  const rows = parsed.nodes.find(
    (node) => node.type === 'ObjectExpression' && table && within(parsed.parent, node, table),
  )
  if (!rows) return []
  return list(rows, 'properties').flatMap((property) => {
    const key = child(property, 'key')
    return key ? [{ code: String(key.value), line: parsed.lineOf(key) }] : []
  })
}

type Parent = ReturnType<typeof parse>['parent']
type Node = NonNullable<ReturnType<Parent>>

function within(parent: Parent, node: Node, ancestor: Node): boolean {
  for (let at: Node | undefined = node; at; at = parent(at)) if (at === ancestor) return true
  return false
}
