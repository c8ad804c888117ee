import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { pairText } from '../../domain/provider-change'
import type { ReproductionFinding } from '../../domain/reproduction'
import { SluiceError } from '../../errors'
import type { Reproduction, ReproductionResult } from '../../store/reproductions'
import { textArgument } from '../arguments'
import { type Cli, CommandEnded, withExample } from '../cli'
import { percentText, plainText, shortDigest } from '../wording'

type Run = Reproduction & { readonly interrupted: boolean }

interface Options {
  readonly input?: string
  readonly repeats: number
  readonly alpha: number
  readonly budget: number
}

const pollMs = 500
/** Polls of one run: about an hour. */
const maxPolls = 7_200

/** `sluice reproduce <requestId>`: the same call again, and whether what was logged is still what it gives. */
export function reproduceCommand(program: Command, cli: Cli): void {
  const command = program
    .command('reproduce')
    .description('run the pinned composite of a served request again and say whether the logged output fits')
    .argument('<requestId>', 'the id the application reported', textArgument)
    .option(
      '--input <file>',
      'JSON: the variables of the prompt, or {"input": {…}, "output": …}, instead of what was captured',
    )
    .option('-n, --repeats <count>', 'how often to run it', wholeArgument, 20)
    .option('--alpha <share>', 'tolerated share of false alarms', shareArgument, 0.05)
    .option('--budget <usd>', 'what it may cost at most, in USD', amountArgument, 1)
    .action((id: string, options: Options) => reproduce(cli, id, options))
  withExample(
    command,
    'reproduce 5d0f3c1e-20fb-4c2a-9c57-0c4a6f6f3a10',
    'reproduce r-1 --input request.json -n 40 --json',
  )
}

const wholeArgument = (text: string): number => numberArgument(text, (value) => Number.isInteger(value) && value >= 1)
const shareArgument = (text: string): number => numberArgument(text, (value) => value > 0 && value < 1)
const amountArgument = (text: string): number => numberArgument(text, (value) => value > 0)

function numberArgument(text: string, fits: (value: number) => boolean): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && fits(value)) return value
  throw new InvalidArgumentError('It is no such number.')
}

async function reproduce(cli: Cli, id: string, { input, repeats, alpha, budget }: Options): Promise<void> {
  const given = input === undefined ? {} : readGiven(resolve(cli.directory, input))
  const body = { repeats, alpha, budgetUsd: budget, ...given }
  const started = await cli.api.post<Run>(`/v1/requests/${encodeURIComponent(id)}/reproductions`, body)
  cli.print.progress(`reproduction ${started.id} of ${shortDigest(started.composite)}`)
  const run = await follow(cli, started)
  cli.print.data(run)
  const { result, error } = run
  if (result === undefined) {
    const why = error ? `${error.code}: ${error.message}` : run.interrupted ? 'its server went away' : run.state
    throw new SluiceError('engine_failed', `The reproduction ${run.id} came to no finding: ${why}.`, { error })
  }
  printResult(cli, run, result)
  if (result.finding.verdict === 'does_not_fit') throw new CommandEnded('failed')
}

/** A variable is text, a number or a boolean, so an object under `input` is never one. */
function readGiven(path: string): { readonly input: unknown; readonly output?: unknown } {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new SluiceError('malformed_file', `${path} cannot be read as JSON: ${(error as Error).message}.`, { path })
  }
  if (!isRecord(parsed)) throw new SluiceError('malformed_file', `${path} holds no JSON object.`, { path })
  const { input, output } = parsed
  return isRecord(input) ? { input, ...(output === undefined ? {} : { output }) } : { input: parsed }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function follow(cli: Cli, started: Run): Promise<Run> {
  let told = ''
  for (let poll = 0; poll < maxPolls; poll += 1) {
    const run = await cli.api.get<Run>(`/v1/reproductions/${started.id}`)
    if (run.state !== 'running' || run.interrupted) return run
    const text = `${run.progress.done} of ${run.repeats} repeats, paid $${run.progress.paidUsd.toFixed(4)}`
    if (text !== told) cli.print.progress(text)
    told = text
    await new Promise((done) => setTimeout(done, pollMs))
  }
  throw new SluiceError(
    'not_found',
    `The reproduction ${started.id} is still running: GET /v1/reproductions/${started.id}.`,
  )
}

function printResult(
  cli: Cli,
  run: Run,
  { finding, provider, validRepeats, failedCalls, missing }: ReproductionResult,
): void {
  const { print } = cli
  const row = (label: string, text: string): void => print.line(`${label.padEnd(labelWidth)}${text}`)
  row('verdict', `${plainText(finding.verdict)}: ${finding.reasons.join('; ')}`)
  row('error rate', errorRateText(finding))
  row(
    'seed',
    run.seed === undefined
      ? 'none is pinned: every repeat is drawn anew'
      : `${run.seed}, pinned and used for every repeat`,
  )
  const seen = provider.seen.map((pair) => `${pairText(pair)} ${pair.repeats} times`).join(', ')
  row('provider', `${providerTexts[provider.same]}: logged ${pairText(provider.logged)}, now ${seen}`)
  row(
    'repeats',
    `${finding.belonging?.repeats ?? run.progress.done} from ${run.inputFrom} inputs, ${validRepeats} fit the schema, ${failedCalls} failed`,
  )
  if (finding.belonging) {
    row('the same', `${percentText(finding.belonging.matches)} of the repeats equal the logged output in everything`)
    print.line()
    print.table(
      ['FIELD', 'COMPARED AS', 'EQUAL', 'P ALONE'],
      finding.belonging.fields.map((one) => [
        one.field,
        plainText(one.kind),
        percentText(one.matches),
        one.pValue.toFixed(3),
      ]),
    )
  }
  for (const text of missing) row('missing', text)
}

const labelWidth = 'error rate  '.length

const providerTexts = { same: 'the same', changed: 'CHANGED', unknown: 'not known' } as const satisfies Record<
  ReproductionResult['provider']['same'],
  string
>

function errorRateText({ alpha, noticesBelow }: ReproductionFinding): string {
  const falseAlarms = `at most ${percentText(alpha)} of unchanged requests are told "does not fit"`
  if (noticesBelow === undefined) return `${falseAlarms}; so few repeats cannot notice a change in this output`
  return `${falseAlarms}; an output that comes up in ${percentText(noticesBelow)} of the runs or fewer is noticed in 80 of 100`
}
