import type { Command } from 'commander'
import type { ClassedChange } from '../../domain/diff'
import type { RowDifference } from '../../domain/row-change'
import type { ChangeClass } from '../../domain/version'
import { type Cli, withExample } from '../cli'
import { rowLines } from '../row-lines'
import { countArgument } from './artifact'

interface Diff {
  readonly from: string
  readonly to: string
  readonly changeClass: ChangeClass
  readonly changes?: readonly ClassedChange[]
  readonly roles?: readonly {
    readonly role: string
    readonly from?: string
    readonly to?: string
    readonly changeClass: ChangeClass
    readonly changes: readonly ClassedChange[]
  }[]
}

export function diffCommand(program: Command, cli: Cli): void {
  const command = program
    .command('diff')
    .description('what changed between two versions of one kind, or two composites, and what it means')
    .argument('<from>', 'kind/name@semver, kind/name@sha256:…, or for a composite its id, task@id or task@environment')
    .argument('<to>', 'the same')
    .option('--rows <count>', 'how many rows of datasets are shown', countArgument, 10)
    .action((from: string, to: string, options: DiffOptions) => diff(cli, { from, to }, options))
  withExample(
    command,
    'diff prompt/csat@1.1.0 prompt/csat@1.2.0',
    'diff dataset/cases@1.0.0 dataset/cases@1.1.0',
    'diff schema/csat@1.0.0 schema/csat@2.0.0 --json',
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
  const found = await api.get<Diff>('/v1/diff', refs)
  const hasRows = found.from.startsWith('dataset/')
  const rows = hasRows ? await api.get<RowDifference>('/v1/datasets/diff', { ...refs, limit }) : undefined
  print.data({ ...found, ...(rows === undefined ? {} : { rows }) })
  print.line(`${found.from} → ${found.to}: ${meaning[found.changeClass]}`)
  for (const change of found.changes ?? []) print.line(changeText(change))
  for (const role of found.roles ?? []) {
    print.line()
    print.line(`${role.role}: ${role.from ?? 'none'} → ${role.to ?? 'none'} (${role.changeClass})`)
    for (const change of role.changes) print.line(changeText(change))
  }
  if (rows !== undefined) for (const line of rowLines(rows)) print.line(line)
}

const meaning: Readonly<Record<ChangeClass, string>> = {
  none: 'no difference',
  safe: 'safe (minor or patch)',
  shifting: 'shifting',
  breaking: 'breaking (major)',
}

/** A mark for what was added, removed or changed; what breaks is said in words, for those who see no colour. */
function changeText({ change, text, class: risk }: ClassedChange): string {
  const mark = { added: '+', removed: '-', changed: '~' }[change]
  const [first = '', ...rest] = text.split('\n')
  const head = `  ${mark} ${first}${risk === 'breaking' ? '   (breaking)' : ''}`
  return [head, ...rest.map((line) => `      ${line}`)].join('\n')
}
