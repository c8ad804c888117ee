import { type Import, importsOf } from '../imports'
import type { Finding, Rule } from '../source'

/** No file leads back to itself, types included: a cycle means that two files are one concept or share a third. */
export const cycles: Rule = {
  name: 'cycles',
  check(files) {
    const edges = new Map<string, Import[]>()
    for (const one of importsOf(files)) {
      if (one.target !== undefined) edges.set(one.from, [...(edges.get(one.from) ?? []), one])
    }
    const found: Finding[] = []
    const done = new Set<string>()
    for (const file of edges.keys()) visit(file, [], { edges, done, found })
    return found
  },
}

interface Search {
  readonly edges: ReadonlyMap<string, readonly Import[]>
  /** Files whose whole reach was walked. */
  readonly done: Set<string>
  readonly found: Finding[]
}

function visit(file: string, trail: readonly string[], search: Search): void {
  if (search.done.has(file)) return
  const path = [...trail, file]
  for (const { target, line } of search.edges.get(file) ?? []) {
    const back = path.indexOf(target ?? '')
    if (back === -1) visit(target ?? '', path, search)
    else {
      const round = [...path.slice(back), target].join(' → ')
      search.found.push({
        path: file,
        line,
        message: `an import cycle: ${round}; move what both need into a third file`,
      })
    }
  }
  search.done.add(file)
}
