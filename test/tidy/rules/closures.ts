import { importsOf, packageOf, reachable } from '../imports'
import type { Finding, Rule, SourceFile } from '../source'

interface Closure {
  readonly entry: string
  /** Packages that nothing loaded from the entry may load; `node` stands for Node's own modules. */
  readonly without: readonly string[]
  readonly why: string
}

const closures: readonly Closure[] = [
  {
    entry: 'src/sdk/index.ts',
    without: ['zod', 'mongodb', 'fastify', 'pino', '@temporalio/client'],
    why: 'applications embed the SDK without the server',
  },
  {
    entry: 'workflows/index.ts',
    without: ['node', 'zod', 'mongodb', 'ulid'],
    why: 'the workflow sandbox has no Node modules, and every package grows its bundle',
  },
]

/** What an entry loads at run time, through any number of files, stays without certain packages. */
export const closureRule: Rule = {
  name: 'closures',
  check: (files) => closures.flatMap((closure) => checkClosure(files, closure)),
}

function checkClosure(files: readonly SourceFile[], closure: Closure): Finding[] {
  if (!files.some(({ path }) => path === closure.entry)) return []
  const loaded = reachable(files, [closure.entry], false)
  return importsOf(files).flatMap(({ from, line, specifier, typeOnly }) => {
    const used = packageOf(specifier)
    if (typeOnly || used === undefined || !loaded.has(from) || !closure.without.includes(used)) return []
    return [{ path: from, line, message: `${closure.entry} loads ${used} through this import; ${closure.why}` }]
  })
}
