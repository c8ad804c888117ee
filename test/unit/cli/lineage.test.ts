import { dotText, treeLines } from '../../../src/cli/lineage-text'
import type { Lineage, LineageNode } from '../../../src/domain/lineage'

const digest = `sha256:${'a'.repeat(64)}` as const
const standing = { active: [], activeLanes: 0, tested: false, scores: [] }
const version = (id: string, more = false): LineageNode => ({
  ...{ type: 'version', id, digest, more, kind: 'prompt', author: 'ann', createdAt: '2026-01-01T00:00:00.000Z' },
  ...{ description: `what "${id}" changed`, standing },
})
const edge = (from: string, to: string) => ({ from, to, relation: 'parent' as const })

const diamond: Lineage = {
  root: 'prompt/a@4.0.0',
  direction: 'ancestors',
  truncated: true,
  nodes: [
    version('prompt/a@4.0.0'),
    version('prompt/a@3.0.0'),
    version('prompt/a@2.0.0'),
    version('prompt/a@1.0.0', true),
    { type: 'unknown', id: digest, digest, more: false },
  ],
  edges: [
    edge('prompt/a@4.0.0', 'prompt/a@3.0.0'),
    edge('prompt/a@4.0.0', 'prompt/a@2.0.0'),
    edge('prompt/a@3.0.0', 'prompt/a@1.0.0'),
    edge('prompt/a@2.0.0', 'prompt/a@1.0.0'),
    edge('prompt/a@1.0.0', digest),
  ],
}

describe('lineage as a tree', () => {
  it('shows what several come from once, and says where it goes on', () => {
    expect(treeLines(diamond).map((line) => line.replace(/ {2}what.*$/, ''))).toEqual([
      'prompt/a@4.0.0',
      '├─ parent: prompt/a@3.0.0',
      '│  └─ parent: prompt/a@1.0.0',
      `│     ├─ parent: ${digest}  (not here)`,
      '│     └─ … more is not shown: --depth and --nodes take more',
      '└─ parent: prompt/a@2.0.0',
      '   └─ parent: prompt/a@1.0.0',
    ])
    expect(treeLines(diamond).at(-1)).toContain('(as above)')
  })

  it('ends where ids lead in a circle', () => {
    const circle = {
      ...diamond,
      edges: [edge('prompt/a@4.0.0', 'prompt/a@3.0.0'), edge('prompt/a@3.0.0', 'prompt/a@4.0.0')],
    }
    expect(treeLines(circle)).toHaveLength(3)
  })

  it('is read from the other end for descendants', () => {
    const down: Lineage = { ...diamond, direction: 'descendants', root: 'prompt/a@1.0.0' }
    expect(treeLines(down)[1]).toMatch(/^├─ parent: prompt\/a@3\.0\.0/)
  })
})

it('lineage for Graphviz names every node and edge, with its texts escaped', () => {
  const text = dotText(diamond)
  expect(text.split('\n')).toHaveLength(3 + diamond.nodes.length + diamond.edges.length)
  expect(text).toContain('"prompt/a@1.0.0" -> "prompt/a@2.0.0" [label="parent"];')
  expect(text).toContain('what \\"prompt/a@1.0.0\\" changed')
})
