import type { Command } from 'commander'
import type { Allocation } from '../../domain/allocation'
import type { Composite } from '../../domain/composite'
import type { LaneState } from '../../domain/lane'
import { exposureText } from '../../domain/plan'
import type { Reporter } from '../../store/reporters'
import { textArgument } from '../arguments'
import { type Cli, withExample } from '../cli'
import { type ActiveLane, lanePath, readLane } from '../lanes'
import { forEach } from '../pages'
import { changeText, suspicionText } from '../provider-wording'
import { agoText, countText, cutText, shortDigest } from '../wording'

/** A lane with everything that is shown of it. */
interface Shown {
  readonly lane: ActiveLane
  readonly candidate?: Composite
  /** The entry that says who gets the candidate. */
  readonly base?: Allocation
}

/** `sluice active`: what runs where, and who does not serve by it yet. */
export function activeCommand(program: Command, cli: Cli): void {
  const command = program
    .command('active')
    .description('what runs where: incumbents, candidates with their share, holds, and applications that lag')
    .option('--env <environment>', 'only this environment', textArgument)
    .option('--task <task>', 'only this task', textArgument)
    .action((options: { env?: string; task?: string }) => active(cli, options))
  withExample(command, 'active --env production', 'active --json')
}

async function active(cli: Cli, { env, task }: { env?: string; task?: string }): Promise<void> {
  if (task !== undefined) await cli.api.get(`/v1/tasks/${encodeURIComponent(task)}`)
  const { items } = await cli.api.get<{ items: readonly LaneState[] }>('/v1/lanes', { environment: env })
  const lanes = items.filter((lane) => task === undefined || lane.task === task).sort(byPlace)
  const shown = await forEach(lanes, (lane) => look(cli, lane))
  cli.print.data({ items: shown.map(dataOf) })
  if (shown.length === 0) {
    cli.print.line(`Nothing was ever deployed${env === undefined ? '' : ` in ${env}`}; \`sluice release start\` does.`)
  }
  for (const one of shown) printLane(cli, one)
  for (const environment of new Set(shown.map(({ lane }) => lane.environment))) {
    const reporters = shown.find(({ lane }) => lane.environment === environment)?.lane.reporters ?? []
    printReporters(cli, environment, reporters)
  }
}

const byPlace = (left: LaneState, right: LaneState): number =>
  left.environment === right.environment
    ? left.task < right.task
      ? -1
      : 1
    : left.environment < right.environment
      ? -1
      : 1

const dataOf = ({ lane, candidate, base }: Shown) => ({
  ...lane,
  ...(candidate === undefined ? {} : { candidateComposite: candidate }),
  ...(base === undefined ? {} : { exposure: base.exposure }),
})

async function look(cli: Cli, { environment, task }: LaneState): Promise<Shown> {
  const lane = await readLane(cli, environment, task)
  if (lane.candidate === undefined) return { lane }
  const path = `${lanePath(environment, task)}/allocations`
  const [candidate, page] = await Promise.all([
    cli.api.get<Composite>(`/v1/composites/${lane.candidate}`),
    cli.api.get<{ items: readonly Allocation[] }>(path, { from: lane.baseSeq, limit: 1 }),
  ])
  const [base] = page.items
  return { lane, candidate, ...(base === undefined ? {} : { base }) }
}

function printLane({ print }: Cli, { lane, candidate, base }: Shown): void {
  const { environment, task, headSeq, headAt, incumbent, hold, vetoes } = lane
  print.line(`${environment}/${task}${lane.disabled ? '   DISABLED' : ''}   entry ${headSeq}, ${agoText(headAt)}`)
  const row = (label: string, text: string): void => print.line(`  ${label.padEnd(labelWidth)}${text}`)
  row('incumbent', incumbent === undefined ? 'none' : `${shortDigest(incumbent)}  ${refsOf(lane.composite)}`)
  if (candidate !== undefined) {
    row('candidate', `${shortDigest(candidate.id)}  ${refsOf(candidate, lane.composite)}`)
    row('share', base === undefined ? 'unknown' : exposureText(base))
    row('release', lane.releaseId ?? 'none')
  }
  if (hold) row('held', `by ${hold.by}, ${agoText(hold.at)}: ${cutText(hold.reason, reasonWidth)}`)
  for (const text of providerTexts(lane)) row('provider', text)
  for (const veto of vetoes) row('veto', `${shortDigest(veto.composite)} by ${veto.by}, ${agoText(veto.at)}`)
  print.line()
}

const providerTexts = ({ providerChanges, suspectedChanges }: ActiveLane): readonly string[] => [
  ...providerChanges.map((change) => `${changeText(change)}; its evidence is void: run the suite again`),
  ...suspectedChanges.map((change) => `${suspicionText(change)}: sluice provider ls`),
]

const labelWidth = 'incumbent  '.length
const reasonWidth = 100

/** The versions of a composite; beside another only those that differ. */
function refsOf(composite: Composite | undefined, beside?: Composite): string {
  const pins = Object.entries(composite?.roles ?? {})
  const own = pins.filter(([role, { digest }]) => beside?.roles[role]?.digest !== digest)
  return own.map(([role, { ref }]) => (ref.startsWith(`${role}/`) ? ref : `${role}: ${ref}`)).join(', ')
}

/** Applications not known to serve by the newest entries are named: until they do, a change is not everywhere. */
function printReporters({ print }: Cli, environment: string, reporters: readonly Reporter[]): void {
  const recent = reporters.filter(({ seenAt }) => Date.now() - seenAt < recentMs)
  const behind = recent.filter((reporter) => reporter.behind.length > 0)
  print.line(`${environment}: ${reportersText(reporters.filter(({ active }) => active).length, behind.length)}`)
  for (const { reporter, seenAt, behind: lags } of behind) {
    print.line(`  ${reporter} had ${lags.map(lagText).join(', ')} when it was heard ${agoText(seenAt)}`)
  }
}

/** Silent for longer, an application has ended rather than lost its way. */
const recentMs = 15 * 60_000

function reportersText(live: number, behind: number): string {
  const state = behind === 0 ? 'serving by the newest entries' : 'not known to serve by the newest entries:'
  if (live === 0 && behind === 0) return 'no application reports'
  const reports = `${countText(live, 'application')} ${live === 1 ? 'reports' : 'report'}`
  return behind === 0 ? `${reports}, ${state}` : `${reports}; ${behind} ${state}`
}

const lagText = ({ task, applied, head }: Reporter['behind'][number]): string =>
  `${task} at entry ${applied} of ${head}`
