import type { Lineage, LineageEdge, LineageNode } from '../domain/lineage'
import { activeText, scoreText } from './standing-text'
import { cutText, shortDigest } from './wording'

/** A step away from the root: the node and why it is there. */
interface Branch {
  readonly id: string
  readonly edge: LineageEdge
}

/**
 * The graph as a tree: what comes first is printed with all that hangs on it, and only named where it comes again. Lines
 * as `tree` draws them. No line is printed twice for one edge, so the tree is as long as the graph has edges.
 */
export function treeLines(graph: Lineage): readonly string[] {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const branches = branchesOf(graph)
  const shown = new Set<string>()
  const lines: string[] = []
  const visit = (id: string, head: string, indent: string): void => {
    const node = nodes.get(id)
    if (node === undefined) return
    const own = branches.get(id) ?? []
    const again = shown.has(id) && own.length > 0
    lines.push(`${head}${nodeText(node)}${again ? '  (as above)' : ''}`)
    if (shown.has(id)) return
    shown.add(id)
    const below = node.more ? [...own, undefined] : own
    for (const [place, branch] of below.entries()) {
      const last = place === below.length - 1
      const [elbow, bar] = last ? ['└─ ', '   '] : ['├─ ', '│  ']
      if (branch === undefined) lines.push(`${indent}${elbow}… more is not shown: --depth and --nodes take more`)
      else visit(branch.id, `${indent}${elbow}${edgeText(branch.edge)}`, `${indent}${bar}`)
    }
  }
  visit(graph.root, '', '')
  return lines
}

function branchesOf({ edges, direction }: Lineage): ReadonlyMap<string, readonly Branch[]> {
  const branches = new Map<string, Branch[]>()
  for (const edge of edges) {
    const [near, far] = direction === 'ancestors' ? [edge.from, edge.to] : [edge.to, edge.from]
    branches.set(near, [...(branches.get(near) ?? []), { id: far, edge }])
  }
  return branches
}

const relationWords: Readonly<Record<LineageEdge['relation'], string>> = {
  parent: 'parent',
  input: 'made from',
  reference: 'refers to',
  role: 'role',
}

/** `parent`, with what was changed; `role prompt`; `refers to dataset`. */
function edgeText({ relation, text }: LineageEdge): string {
  if (text === undefined || text === '') return `${relationWords[relation]}: `
  return relation === 'parent' ? `${relationWords[relation]} (${text}): ` : `${relationWords[relation]} ${text}: `
}

const whyWidth = 60

function nodeText(node: LineageNode): string {
  if (node.type === 'unknown') return `${node.digest}  (not here)`
  const { standing } = node
  const facts = [
    scoreText(standing.scores[0]),
    standing.activeLanes === 0 ? '' : `serves ${activeText(standing)}`,
    node.type === 'version' && node.promotedOver !== undefined ? `promoted over ${node.promotedOver}` : '',
  ].filter((fact) => fact !== '')
  const name = node.type === 'version' ? node.id : `${shortDigest(node.id)} ${Object.values(node.roles).join(', ')}`
  const why = node.type === 'version' ? `  ${cutText(node.description, whyWidth)}` : ''
  return `${name}${facts.length === 0 ? '' : `  [${facts.join('; ')}]`}${why}`
}

/** Graphviz: older things to the left. Texts are escaped as its quoted strings want it. */
export function dotText({ nodes, edges }: Lineage): string {
  const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  const shape = { version: 'box', composite: 'box3d', unknown: 'plaintext' } as const
  const lines = [
    ...nodes.map((node) => `  ${quoted(node.id)} [shape=${shape[node.type]}, label=${quoted(nodeText(node))}];`),
    ...edges.map(
      (edge) => `  ${quoted(edge.to)} -> ${quoted(edge.from)} [label=${quoted(edgeText(edge).replace(/: $/, ''))}];`,
    ),
  ]
  return ['digraph lineage {', '  rankdir=LR;', ...lines, '}'].join('\n')
}
