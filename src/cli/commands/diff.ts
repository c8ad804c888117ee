import type { Command } from 'commander'
import type { CompositeReport, VersionReport } from '../../domain/diff-report'
import type { RowDifference } from '../../domain/row-change'
import { type Cli, withExample } from '../cli'
import { diffLines } from '../diff-lines'
import { rowLines } from '../row-lines'
import { countArgument } from './artifact'

export function diffCommand(program: Command, cli: Cli): void {
  const command = program
    .command('diff')
    .description(
      'what changed between two versions of one kind, or two composites, what it means and who depends on it',
    )
    .argument('<from>', 'kind/name@semver, kind/name@sha256:…, or for a composite its id, task@id or task@environment')
    .argument('<to>', 'the same')
    .option('--rows <count>', 'how many rows of datasets are shown', countArgument, 10)
    .action((from: string, to: string, options: DiffOptions) => diff(cli, { from, to }, options))
  withExample(
    command,
    'diff prompt/csat@1.1.0 prompt/csat@1.2.0',
    'diff dataset/cases@1.0.0 dataset/cases@1.1.0',
    'diff schema/csat@1.0.0 schema/csat@2.0.0 --json',
    'diff csat-scoring@production csat-scoring@sha256:…',
  )
}

interface DiffOptions {
  readonly rows: number
}

async function diff(
  { api, print }: Cli,
  refs: { from: string; to: string },
  { rows: limit }: DiffOptions,
): Promise<void> {
  const found = await api.get<VersionReport | CompositeReport>('/v1/diff', refs)
  const hasRows = found.from.startsWith('dataset/')
  const rows = hasRows ? await api.get<RowDifference>('/v1/datasets/diff', { ...refs, limit }) : undefined
  print.data({ ...found, ...(rows === undefined ? {} : { rows }) })
  for (const line of [...diffLines(found), ...(rows === undefined ? [] : rowLines(rows))]) print.line(line)
}
