import { type Command, InvalidArgumentError } from 'commander'
import { type Lineage, lineageLimits } from '../../domain/lineage'
import { type Cli, withExample } from '../cli'
import { dotText, treeLines } from '../lineage-text'
import { versionPath } from './artifact'

interface Options {
  readonly descendants?: boolean
  readonly versions?: boolean
  readonly depth: number
  readonly nodes: number
  readonly dot?: boolean
}

/** `sluice lineage <ref>`: what something comes from, or what came of it. */
export function lineageCommand(program: Command, cli: Cli): void {
  const command = program
    .command('lineage')
    .description('what a version or a composite comes from, with the scores on the way')
    .argument('<ref>', 'kind/name@semver, kind/name@sha256:…, or for a composite its id, task@id or task@environment')
    .option('--descendants', 'what came of it instead')
    .option('--versions', 'of composites, also the versions that they pin and what these come from')
    .option('--depth <count>', 'how many steps', upTo(lineageLimits.depth), 10)
    .option('--nodes <count>', 'how many things at most', upTo(lineageLimits.nodes), 200)
    .option('--dot', 'as a graph for Graphviz')
    .action((ref: string, options: Options) => showLineage(cli, ref, options))
  withExample(
    command,
    'lineage csat-scoring@production',
    'lineage prompt/csat@1.2.0 --descendants',
    'lineage csat-scoring@production --versions --dot',
  )
}

const upTo =
  (most: number) =>
  (text: string): number => {
    const count = Number(text)
    if (Number.isInteger(count) && count >= 1 && count <= most) return count
    throw new InvalidArgumentError(`Give a number from 1 to ${most}.`)
  }

async function showLineage({ api, print }: Cli, ref: string, options: Options): Promise<void> {
  const place = ref.includes('/') ? versionPath(ref) : `/v1/composites/${encodeURIComponent(ref)}`
  const graph = await api.get<Lineage>(`${place}/lineage`, {
    direction: options.descendants ? 'descendants' : 'ancestors',
    depth: options.depth,
    nodes: options.nodes,
    versions: options.versions === true,
  })
  print.data(graph)
  if (options.dot) print.line(dotText(graph))
  else for (const line of treeLines(graph)) print.line(line)
}
