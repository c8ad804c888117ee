import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { DatasetContent } from '../../domain/contents'
import { shortJson } from '../../domain/diff'
import { parseRef } from '../../domain/ref'
import { SluiceError } from '../../errors'
import { type Cli, CommandEnded, withExample } from '../cli'
import { hashRows } from '../local-rows'
import { rerunSteps, type StepOutcome } from '../rerun'
import { downloadFile, rowSetOf } from '../row-download'
import { countArgument } from './artifact'

const defaultTimeoutMinutes = 60
const maxTimeoutMinutes = 7 * 24 * 60

export function datasetCommand(program: Command, cli: Cli): void {
  const dataset = program.command('dataset').description('rows of datasets: read them, hash them, make them again')
  const rows = dataset
    .command('rows')
    .description('show the first rows of a dataset, or write all of them to a file')
    .argument('<ref>', 'dataset/name@semver, its digest, or the root of its rows')
    .option('--limit <count>', 'how many are shown', countArgument, 20)
    .option('--out <file>', 'write all rows, one a line, and show none')
    .action((ref: string, options: RowsOptions) => showRows(cli, ref, options))
  withExample(rows, 'dataset rows dataset/cases@1.0.0', 'dataset rows dataset/cases@1.0.0 --out cases.jsonl')
  const hash = dataset
    .command('hash')
    .description('the root of the rows in a .jsonl file, as the server would compute it; nothing is sent')
    .argument('<file>', 'one JSON object a line')
    .action((file: string) => hashFile(cli, file))
  withExample(hash, 'dataset hash datasets/cases/1.0.0.jsonl')
  const rerun = dataset
    .command('rerun')
    .description('run the steps that made a dataset again on this machine, and compare the rows')
    .argument('<ref>', 'dataset/name@semver')
    .option('--dir <folder>', 'where commands run and the code is', '.')
    .option('--code <file>', 'the code file, where a step does not name one in that folder')
    .option('--keep <folder>', 'leave inputs and outputs in this folder')
    .option('--dry-run', 'show what would be run, and run nothing')
    .option('--timeout-minutes <minutes>', 'for each command', minutesArgument, defaultTimeoutMinutes)
    .action((ref: string, options: RerunOptions) => rerunDataset(cli, ref, options))
  withExample(rerun, 'dataset rerun dataset/clean@1.0.0 --dry-run', 'dataset rerun dataset/clean@1.0.0 --dir .')
}

function minutesArgument(text: string): number {
  const minutes = Number(text)
  if (minutes > 0 && minutes <= maxTimeoutMinutes) return minutes
  throw new InvalidArgumentError(`Give minutes, up to ${maxTimeoutMinutes}.`)
}

interface RowsOptions {
  readonly limit: number
  readonly out?: string
}

interface RowsPage {
  readonly items: readonly { readonly digest: string; readonly row: unknown }[]
  readonly next?: string
}

async function showRows(cli: Cli, ref: string, { limit, out }: RowsOptions): Promise<void> {
  const { api, print } = cli
  const set = await rowSetOf(api, ref)
  if (out !== undefined) {
    await downloadFile(api, set.root, resolve(cli.directory, out))
    print.data({ ...set, file: out })
    return print.line(`${set.count} rows written to ${out}; root ${set.root}`)
  }
  const page = await api.get<RowsPage>(`/v1/datasets/${set.root}/rows`, { limit })
  print.data({ ...set, ...page })
  print.line(`${set.count} rows, root ${set.root}`)
  for (const { row } of page.items) print.line(JSON.stringify(row))
  if (page.next !== undefined) print.line('There are more: --out <file> writes all of them.')
}

async function hashFile({ directory, print }: Cli, file: string): Promise<void> {
  const { root, count } = await hashRows({ path: resolve(directory, file), file })
  print.data({ root, count })
  print.line(`${root}   ${count} rows`)
}

interface RerunOptions {
  readonly dir: string
  readonly code?: string
  readonly keep?: string
  readonly dryRun?: boolean
  readonly timeoutMinutes: number
}

async function rerunDataset(cli: Cli, ref: string, options: RerunOptions): Promise<void> {
  const { api, print } = cli
  const { kind, name, version } = parseRef(ref)
  if (kind !== 'dataset') throw new SluiceError('invalid_request', `${ref} is no dataset.`)
  const path = `/v1/artifacts/dataset/${encodeURIComponent(name)}/${encodeURIComponent(version)}`
  const { content } = await api.get<{ readonly content: DatasetContent }>(path)
  if (content.steps === undefined) {
    throw new SluiceError('invalid_request', `${ref} names no steps: nothing says how its rows were made.`)
  }
  const kept = options.keep === undefined ? undefined : resolve(cli.directory, options.keep)
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'sluice-rerun-'))
  try {
    const outcomes = await rerunSteps(api, content, {
      folder,
      directory: resolve(cli.directory, options.dir),
      ...(options.code === undefined ? {} : { code: resolve(cli.directory, options.code) }),
      isDry: options.dryRun === true,
      timeoutMs: options.timeoutMinutes * 60_000,
      say: (line) => print.progress(line),
      announce: (step, command) => {
        print.data({ step, command })
        print.line(`step ${step}: ${command.map(quoted).join(' ')}`)
      },
    })
    report(cli, ref, outcomes)
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

const quoted = (argument: string): string => (/^[\w./:=@%+,-]+$/.test(argument) ? argument : JSON.stringify(argument))

function report({ print }: Cli, ref: string, outcomes: readonly StepOutcome[]): void {
  const isRun = outcomes.every((outcome) => outcome.agrees !== undefined)
  const agrees = isRun && outcomes.every((outcome) => outcome.agrees)
  print.data({ ref, ...(isRun ? { agrees } : {}), steps: outcomes })
  for (const outcome of outcomes) for (const line of outcomeLines(outcome)) print.line(line)
  if (isRun && !agrees) throw new CommandEnded('failed')
}

function outcomeLines({
  step,
  claimed,
  made,
  agrees,
  counts,
  missing = [],
  surplus = [],
}: StepOutcome): readonly string[] {
  if (agrees === undefined) return [`step ${step}: would be held against ${claimed}`]
  if (agrees) return [`step ${step}: agrees, ${counts?.made} rows with the root ${made}`]
  const stored = counts?.claimed === undefined ? 'the claimed rows are not stored' : `${counts.claimed} rows claimed`
  return [
    `step ${step}: DIFFERS, ${stored}, ${counts?.made} made`,
    `  claimed ${claimed}`,
    `  made    ${made}`,
    ...(counts?.missing === undefined
      ? []
      : [`  ${counts.missing} rows are missing, ${counts.surplus} are new; the first of them:`]),
    ...missing.map(({ row }) => `  - ${shortJson(row)}`),
    ...surplus.map(({ row }) => `  + ${shortJson(row)}`),
  ]
}
