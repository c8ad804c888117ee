import type { Command } from 'commander'
import { driftNotices } from '../../domain/engine-drift'
import type { ArmReport, Comparison, EvaluationReport, Verdict } from '../../domain/evaluation'
import type { TaskDefinition } from '../../domain/task'
import { SluiceError } from '../../errors'
import type { EvaluationRun } from '../../store/evaluations'
import { type Cli, withExample } from '../cli'
import { printBranches, printJudges, printScores, printShifts } from '../score-print'
import { printBySuite, scoresOf } from '../suite-scores'
import { rescoreCommand } from './rescore'

type Evaluation = EvaluationRun & { readonly interrupted: boolean; readonly verdict?: Verdict }

interface RunOptions {
  readonly task?: string
  readonly candidate?: string
  readonly change: readonly string[]
  readonly incumbent?: string
  readonly policy?: string
}

const pollMs = 500
/** Polls of one run: about a day; a longer one is followed with `eval show`. */
const maxPolls = 172_800

/** `sluice eval run|show|compare`: suites before traffic. */
export function evalCommand(program: Command, cli: Cli): void {
  const command = program.command('eval').description('run suites and read what came of them')
  const run = command
    .command('run')
    .argument('<suite>', 'the suite, such as airline@1.0.0')
    .description('run a suite on a candidate, and judge it against an incumbent')
    .option('--task <task>', 'start from the roles of this task')
    .option(
      '--change <role=ref>',
      'move a role of the task (repeatable)',
      (one: string, all: string[]) => [...all, one],
      [],
    )
    .option('--candidate <composite>', 'the id of a composite, instead of --task')
    .option('--incumbent <composite>', 'the id of a composite to compare with, or `task` for the roles of the task')
    .option('--policy <ref>', 'the policy to judge by; default: that of the tasks that use the suite')
    .action((suite: string, options: RunOptions) => runSuite(cli, suite, options))
  withExample(run, 'eval run airline@1.0.0 --task csat-scoring --change prompt=csat@1.1.0 --incumbent task')
  const show = command
    .command('show')
    .argument('<evaluation>', 'id of the evaluation')
    .description('show an evaluation: where it is, or its verdict')
    .action((id: string) => showEvaluation(cli, id))
  withExample(show, 'eval show 01JZ8Y3T9M4Q')
  const compare = command
    .command('compare')
    .argument('<before>', 'id of an evaluation')
    .argument('<after>', 'id of another evaluation of the same suite')
    .description('compare the candidates of two evaluations by their stored results')
    .action((before: string, after: string) => compareEvaluations(cli, before, after))
  withExample(compare, 'eval compare 01JZ8Y3T9M4Q 01JZ93FQ2K7D')
  rescoreCommand(command, cli)
}

async function runSuite(cli: Cli, suite: string, options: RunOptions): Promise<void> {
  const path = `/v1/suites/${encodeURIComponent(suite)}/evaluations`
  const roles = options.task === undefined ? undefined : await rolesOf(cli, options.task)
  const body = {
    candidate: candidateOf(roles, options),
    ...(options.incumbent === undefined ? {} : { incumbent: options.incumbent === 'task' ? roles : options.incumbent }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  }
  const started = await cli.api.post<Evaluation>(path, body)
  cli.print.progress(`evaluation ${started.id}`)
  const ended = await follow(cli, started.id)
  cli.print.data(ended)
  conclude(cli, ended)
}

async function rolesOf(cli: Cli, name: string): Promise<Readonly<Record<string, string>>> {
  return (await cli.api.get<TaskDefinition>(`/v1/tasks/${encodeURIComponent(name)}`)).roles
}

function candidateOf(
  roles: Readonly<Record<string, string>> | undefined,
  { candidate, change }: RunOptions,
): string | Readonly<Record<string, string>> {
  if (roles === undefined) {
    if (candidate !== undefined && change.length === 0) return candidate
    throw new SluiceError('invalid_request', 'Name the candidate: --candidate <id>, or --task <task> with --change.')
  }
  if (candidate !== undefined) throw new SluiceError('invalid_request', 'Give --candidate or --task, not both.')
  return { ...roles, ...Object.fromEntries(change.map(readChange)) }
}

function readChange(text: string): readonly [string, string] {
  const cut = text.indexOf('=')
  if (cut > 0) return [text.slice(0, cut), text.slice(cut + 1)]
  throw new SluiceError('invalid_request', `--change ${text} is not role=ref, such as prompt=csat@1.1.0.`)
}

/** Waits for the end, telling how far it is. */
async function follow(cli: Cli, id: string): Promise<Evaluation> {
  let told = ''
  for (let poll = 0; poll < maxPolls; poll += 1) {
    const evaluation = await cli.api.get<Evaluation>(`/v1/evaluations/${id}`)
    if (evaluation.state !== 'running' || evaluation.interrupted) return evaluation
    const text = progressText(evaluation)
    if (text !== told) cli.print.progress(text)
    told = text
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  throw new SluiceError(
    'not_found',
    `The evaluation ${id} is still running. Follow it with \`sluice eval show ${id}\`.`,
  )
}

const progressText = ({ progress }: Evaluation): string =>
  `${progress.done} of ${progress.total} results (${progress.fromStore} stored before), paid $${progress.paidUsd.toFixed(4)}`

/** Shows the verdict; a candidate that did not pass ends the command as refused. */
function conclude(cli: Cli, evaluation: Evaluation): void {
  const { verdict, error } = evaluation
  if (!verdict) {
    const why = error
      ? `${error.code}: ${error.message}`
      : evaluation.interrupted
        ? 'its server went away'
        : evaluation.state
    throw new SluiceError('engine_failed', `The evaluation ${evaluation.id} came to no verdict: ${why}.`, { error })
  }
  printVerdict(cli, verdict)
  if (verdict.verdict === 'pass') return
  throw new SluiceError('undeployable', `The suite says ${verdict.verdict}: ${verdict.reasons.join(' ')}`, {
    evaluation: evaluation.id,
    reasons: verdict.reasons,
  })
}

async function showEvaluation(cli: Cli, id: string): Promise<void> {
  const evaluation = await cli.api.get<Evaluation>(`/v1/evaluations/${encodeURIComponent(id)}`)
  const { state, error, verdict, candidate } = evaluation
  const scores = await scoresOf(cli, candidate)
  cli.print.data({ ...evaluation, scores })
  cli.print.line(`${id}: ${evaluation.interrupted ? 'interrupted' : state}, ${progressText(evaluation)}`)
  if (error) cli.print.line(`${error.code}: ${error.message}`)
  if (verdict) printVerdict(cli, verdict)
  if (scores.length > 1) printBySuite(cli, [['CANDIDATE', scores]])
}

function printVerdict(cli: Cli, { verdict, report, shifting }: Verdict): void {
  cli.print.line(`verdict: ${verdict}${shifting ? ' (shifting)' : ''}`)
  for (const check of report.checks) cli.print.line(`  ${check.verdict.padEnd(14)} ${check.text}`)
  for (const notice of driftNotices(report)) cli.print.line(`  ${'notice'.padEnd(14)} ${notice}`)
  cli.print.line()
  cli.print.table(armHeadings, armRows(report))
  printBranches(cli, report)
  printScores(cli, report)
  if (report.comparison) printComparison(cli, report.comparison)
  printShifts(cli, report)
  const { paid } = report
  cli.print.line(`${paid.calls} calls, $${paid.costUsd.toFixed(4)} paid, ${paid.lostCalls} calls left no result`)
  if (paid.judges) printJudges(cli, paid.judges)
}

const armHeadings = [
  'ARM',
  'ACCURACY',
  '95 % BY GROUP',
  'SCHEMA',
  'TOKENS OUT',
  'P95 MS',
  '$ PER CASE',
  'STORED',
] as const

const armRows = ({ candidate, incumbent }: EvaluationReport): readonly (readonly string[])[] => [
  armRow('candidate', candidate),
  ...(incumbent ? [armRow('incumbent', incumbent)] : []),
]

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function armRow(name: string, arm: ArmReport): readonly string[] {
  const { accuracy, schemaCompliance, tokens, latency, cost } = arm
  return [
    name,
    percent(accuracy.mean),
    `${percent(accuracy.lower)} – ${percent(accuracy.upper)}`,
    percent(schemaCompliance.mean),
    tokens.outputMean.toFixed(0),
    latency ? latency.p95Ms.toFixed(0) : '–',
    cost.meanUsd.toFixed(6),
    `${arm.fromStore}/${arm.results}`,
  ]
}

function printComparison(cli: Cli, { difference, fixed, broken, shifts }: Comparison): void {
  const points = (share: number): string => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`
  const { mean, lower, upper, groups } = difference
  cli.print.line(`accuracy ${points(mean)} points (${points(lower)} to ${points(upper)}, ${groups} groups)`)
  cli.print.line(`fixed ${fixed.count}: ${fixed.cases.join(', ') || 'none'}`)
  cli.print.line(`broken ${broken.count}: ${broken.cases.join(', ') || 'none'}`)
  const number = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(3))
  const rows = shifts.map((shift) => [
    shift.field,
    shift.kind,
    percent(shift.changedShare),
    number(shift.before),
    number(shift.after),
  ])
  if (rows.length > 0) cli.print.table(['FIELD', 'KIND', 'CHANGED', 'BEFORE', 'AFTER'], rows)
}

interface StoredComparison {
  readonly before: ArmReport
  readonly after: ArmReport
  readonly comparison: Comparison
}

async function compareEvaluations(cli: Cli, before: string, after: string): Promise<void> {
  const [first, second] = [await evaluationOf(cli, before), await evaluationOf(cli, after)]
  if (first.suite !== second.suite) await refuseToCompare(cli, first, second)
  const compared = await cli.api.post<StoredComparison>('/v1/evaluations/compare', { before, after })
  cli.print.data(compared)
  cli.print.table(armHeadings, [armRow('before', compared.before), armRow('after', compared.after)])
  printComparison(cli, compared.comparison)
}

const evaluationOf = (cli: Cli, id: string): Promise<Evaluation> =>
  cli.api.get<Evaluation>(`/v1/evaluations/${encodeURIComponent(id)}`)

/** Shows what there is side by side, suite by suite, and says what to score so that the two can be compared. */
async function refuseToCompare(cli: Cli, before: Evaluation, after: Evaluation): Promise<never> {
  const [first, second] = [await scoresOf(cli, before.candidate), await scoresOf(cli, after.candidate)]
  printBySuite(cli, [
    ['BEFORE', first],
    ['AFTER', second],
  ])
  const text =
    `${before.id} was scored on ${before.suite}, ${after.id} on ${after.suite}: their scores never compare. ` +
    `Score the first on the suite of the second: \`sluice eval run ${after.suite} --candidate ${before.candidate}\`, ` +
    'or all that serves a task: `sluice eval rescore <task> --suite <ref>`.'
  throw new SluiceError('suite_mismatch', text, { before: first, after: second })
}
