import type { Finding, Rule, SourceFile } from '../source'
import { child, list, parse } from '../syntax'

const index = 'workflows/index.ts'
const folder = 'test/replay/histories/'

/** Every workflow has a recorded history that must replay, and every history a workflow. */
export const histories: Rule = {
  name: 'histories',
  check(files) {
    const source = files.find(({ path }) => path === index)
    if (!source) return []
    const workflows = exportsOf(source)
    const recorded = files.filter(({ path }) => path.startsWith(folder) && path.endsWith('.json'))
    const nameOf = ({ path }: SourceFile): string => path.slice(folder.length).replace(/[-./].*$/, '')
    const names = new Set(recorded.map(nameOf))
    const unrecorded: Finding[] = workflows
      .filter(({ name }) => !names.has(name))
      .map(({ name, line }) => ({
        path: index,
        line,
        message: `no ${folder}${name}*.json: record a history of ${name}`,
      }))
    const known = new Set(workflows.map(({ name }) => name))
    const orphaned: Finding[] = recorded
      .filter((file) => !known.has(nameOf(file)))
      .map(({ path }) => ({ path, line: 1, message: `${index} exports no such workflow` }))
    return [...unrecorded, ...orphaned]
  },
}

function exportsOf(file: SourceFile): { name: string; line: number }[] {
  const parsed = parse(file)
  return parsed.nodes
    .filter((node) => node.type === 'ExportNamedDeclaration' && node.typeOnly !== true)
    .flatMap((node) =>
      list(node, 'specifiers')
        .filter((specifier) => specifier.isTypeOnly !== true)
        .map((specifier) => ({
          name: String((child(specifier, 'exported') ?? child(specifier, 'orig'))?.value),
          line: parsed.lineOf(specifier),
        })),
    )
}
