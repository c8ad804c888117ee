import type { Command } from 'commander'
import { hitText, isDataset, type LeakageReport, type SourceProof } from '../../domain/leakage'
import { SluiceError } from '../../errors'
import type { LeakageProgress } from '../../store/leakage'
import { type Cli, withExample } from '../cli'

type Answer =
  | (LeakageReport & { readonly state: 'done' })
  | (LeakageReport & { readonly state: 'running'; readonly progress: LeakageProgress })

const pollMs = 300
/** About a day. */
const maxPolls = 288_000

/** `sluice leaks`: whether cases of a suite stand in what a composite was made from. */
export function leaksCommand(program: Command, cli: Cli): void {
  const command = program
    .command('leaks')
    .argument('<composite>', 'its id, task@id or task@environment')
    .description('prove that no case of a suite stands in what a composite was made from; ends with 3 where one does')
    .option('--suite <ref>', 'the suite; default: that of the task, or the one that it was last judged by')
    .action((id: string, options: { readonly suite?: string }) => showLeaks(cli, id, options.suite))
  withExample(command, 'leaks csat-scoring@production')
}

async function showLeaks(cli: Cli, id: string, suite: string | undefined): Promise<void> {
  const query = suite === undefined ? '' : `?suite=${encodeURIComponent(suite)}`
  const report = await follow(cli, `/v1/composites/${encodeURIComponent(id)}/leaks${query}`)
  cli.print.data(report)
  cli.print.line(`${report.composite} on ${report.suite}`)
  cli.print.table(['ROWS', 'LEAKED', 'WHAT', 'BY WAY OF'], report.sources.map(sourceRow))
  for (const source of report.sources) printHits(cli, source)
  conclude(cli, report)
}

async function follow(cli: Cli, path: string): Promise<LeakageReport> {
  let told = ''
  for (let poll = 0; poll < maxPolls; poll += 1) {
    const answer = await cli.api.get<Answer>(path)
    if (answer.state === 'done') return answer
    const text = `${answer.progress.rows} of ${answer.progress.of} rows compared`
    if (text !== told) cli.print.progress(text)
    told = text
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  throw new SluiceError('not_found', 'The proof is still being made. Ask again with `sluice leaks`.')
}

const sourceRow = ({ proof, missing, path, role }: SourceProof): readonly string[] => [
  proof === undefined ? '–' : String(proof.rows),
  proof === undefined ? (missing ?? '–') : String(proof.leakedRows),
  path.at(-1) ?? '',
  [role, ...path.slice(0, -1)].join(' → '),
]

function printHits(cli: Cli, source: SourceProof): void {
  const { proof } = source
  if (proof === undefined) return
  for (const hit of proof.hits) cli.print.line(hitText(source, hit))
  if (proof.hitCount > proof.hits.length) {
    cli.print.line(`… and ${proof.hitCount - proof.hits.length} more in ${source.path.at(-1)}`)
  }
  if (proof.wordlessCases > 0 && isDataset(source)) {
    cli.print.line(`${proof.wordlessCases} of ${proof.caseCount} cases have no words and were compared by digest alone`)
  }
}

function conclude(cli: Cli, report: LeakageReport): void {
  const { composite, suite, rows, leakedRows, sources } = report
  if (report.result === 'leaked') {
    const text = `${leakedRows} of ${rows} rows behind the composite are cases of the suite, or nearly.`
    throw new SluiceError('leaked', text, { composite, suite, leakedRows })
  }
  const unknown = sources.filter(({ missing }) => missing !== undefined)
  if (unknown.length > 0) {
    const names = unknown.map(({ path }) => path.at(-1)).join(', ')
    throw new SluiceError('unknown_ref', `Nothing is known of ${names}: the rows are not here.`, { composite, suite })
  }
  cli.print.line(`no case of the suite is in the ${rows} rows behind the composite`)
}
