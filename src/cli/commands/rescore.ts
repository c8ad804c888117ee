import type { Command } from 'commander'
import type { RescoreCost, RescoreItem, RescorePlan } from '../../domain/rescore'
import { SluiceError } from '../../errors'
import type { Rescore, RescoredItem } from '../../store/rescores'
import { type Cli, CommandEnded, withExample } from '../cli'
import { forEach } from '../pages'
import { printBySuite, scoresOf, short } from '../suite-scores'

interface RescoreOptions {
  readonly suite: string
  readonly recent: string
  readonly dryRun?: boolean
}

type CostedPlan = Omit<RescorePlan, 'items'> & { readonly items: readonly (RescoreItem & RescoreCost)[] }
type RescoreRun = Rescore & { readonly items: readonly RescoredItem[] }

const pollMs = 500
/** Polls of one run: about a day. */
const maxPolls = 172_800

/** `sluice eval rescore`: what serves, on another version of its suite. */
export function rescoreCommand(evaluations: Command, cli: Cli): void {
  const command = evaluations
    .command('rescore')
    .argument('<task>', 'the task whose composites are scored')
    .description('score on another suite whatever serves a task, and what was scored lately')
    .requiredOption('--suite <ref>', 'the suite, such as airline@1.1.0')
    .option('--recent <n>', 'composites scored lately that are scored too, beside those that serve', '10')
    .option('--dry-run', 'say what would be scored and what it may cost, and do nothing')
    .action((task: string, options: RescoreOptions) =>
      options.dryRun ? dryRun(cli, task, options) : rescore(cli, task, options),
    )
  withExample(
    command,
    'eval rescore csat-scoring --suite airline@1.1.0 --dry-run',
    'eval rescore csat-scoring --suite airline@1.1.0',
  )
}

function recentOf({ recent }: RescoreOptions): number {
  if (/^\d{1,3}$/.test(recent)) return Number(recent)
  throw new SluiceError('invalid_request', `--recent takes a number from 0 to 100, not ${recent}.`)
}

async function dryRun(cli: Cli, task: string, options: RescoreOptions): Promise<void> {
  const query = { suite: options.suite, recent: recentOf(options) }
  const plan = await cli.api.get<CostedPlan>(`/v1/tasks/${encodeURIComponent(task)}/rescore-plan`, query)
  cli.print.data(plan)
  const rows = plan.items.map(({ composite, reason, places, freeCalls, paidCalls, judgeCalls, worstUsd, fault }) => [
    short(composite),
    reason,
    String(freeCalls),
    String(paidCalls),
    String(judgeCalls),
    `$${worstUsd.toFixed(4)}`,
    fault ?? places.join(', '),
  ])
  cli.print.table(['COMPOSITE', 'WHY', 'FREE CALLS', 'PAID CALLS', 'JUDGE CALLS', 'AT MOST', ''], rows)
  const total = (of: (item: RescoreCost) => number) => plan.items.reduce((sum, item) => sum + of(item), 0)
  const [paid, usd] = [total(({ paidCalls, judgeCalls }) => paidCalls + judgeCalls), total(({ worstUsd }) => worstUsd)]
  cli.print.line(`${plan.items.length} composites, ${paid} calls to pay, $${usd.toFixed(4)} at most`)
}

async function rescore(cli: Cli, task: string, options: RescoreOptions): Promise<void> {
  const body = { suite: options.suite, recent: recentOf(options) }
  const started = await cli.api.post<Rescore>(`/v1/tasks/${encodeURIComponent(task)}/rescores`, body)
  cli.print.progress(`rescore ${started.id}`)
  const ended = await follow(cli, started.id)
  cli.print.data(ended)
  const scores = await forEach(ended.items, ({ composite }) => scoresOf(cli, composite))
  for (const [place, { composite, reason, outcome }] of ended.items.entries()) {
    cli.print.line(`${short(composite)} (${reason})`)
    if (outcome?.kind === 'failed') cli.print.line(`  ${outcome.code}: ${outcome.message}`)
    else printBySuite(cli, [['SCORE', scores[place] ?? []]])
  }
  cli.print.line(`${ended.state}: ${ended.done - ended.failed} of ${ended.of} composites scored`)
  if (ended.state !== 'done') throw new CommandEnded('failed')
}

async function follow(cli: Cli, id: string): Promise<RescoreRun> {
  let told = ''
  for (let poll = 0; poll < maxPolls; poll += 1) {
    const run = await cli.api.get<RescoreRun>(`/v1/rescores/${id}`)
    if (run.state !== 'running') return run
    const text = `${run.done} of ${run.of} composites`
    if (text !== told) cli.print.progress(text)
    told = text
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  throw new SluiceError('not_found', `The rescore ${id} is still running. Ask for it again: it goes on.`)
}
