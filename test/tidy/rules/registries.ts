import { importsOf } from '../imports'
import type { Finding, Rule, SourceFile } from '../source'

const registries = ['kinds', 'metrics', 'scorers', 'notify', 'engines', 'probes'] as const

/** A registry is the one list of its folder: every file is in it or serves one that is, and the list is typed. */
export const registryRule: Rule = {
  name: 'registries',
  check: (files) => registries.flatMap((name) => checkRegistry(files, `src/${name}/`)),
}

function checkRegistry(files: readonly SourceFile[], folder: string): Finding[] {
  const members = files.filter(({ path }) => path.startsWith(folder) && path.endsWith('.ts'))
  if (members.length === 0) return []
  const index = members.find(({ path }) => path === `${folder}index.ts`)
  if (!index) return [{ path: folder, line: 1, message: 'a registry without index.ts: add the one list' }]
  const used = new Set(
    importsOf(files)
      .filter(({ from, target }) => from.startsWith(folder) && target !== from)
      .map(({ target }) => target),
  )
  const forgotten = members
    .filter((file) => file !== index && !used.has(file.path))
    .map(({ path }) => ({ path, line: 1, message: `not in ${index.path}: add its line` }))
  return [...forgotten, ...untyped(index)]
}

function untyped(index: SourceFile): Finding[] {
  if (/as const satisfies Record</.test(index.text)) return []
  const message = 'the list is not `as const satisfies Record<…>`: a forgotten member would not be a type error'
  return [{ path: index.path, line: 1, message }]
}
