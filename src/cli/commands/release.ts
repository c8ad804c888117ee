import type { Command } from 'commander'
import type { ReleaseView } from '../../api/release-commands'
import type { Plan } from '../../domain/plan'
import { type CommandName, isClosed } from '../../domain/release'
import { SluiceError } from '../../errors'
import type { ReleaseRecord } from '../../store/releases'
import { digestArgument, releaseArgument, textArgument, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { policyRef, readReleaseFile } from '../release-file'
import { printRelease, printReleases } from '../release-show'
import { releasePath, seeRelease } from '../release-sight'
import { watchRelease } from '../release-watch'
import { plainText } from '../wording'
import { countArgument } from './artifact'

interface StartOptions {
  readonly policy?: string
  readonly watch?: boolean
  readonly breakGlass?: string
}

interface ListOptions {
  readonly task?: string
  readonly open?: boolean
  readonly after?: string
  readonly limit: number
}

const exampleId = '01JZ8Y3T9M4QWXV5R2B7C6D1EF'

/** `sluice release …`: one change, a little at a time. */
export function releaseCommand(program: Command, cli: Cli): void {
  const release = program.command('release').description('start, follow and steer releases')
  const start = release
    .command('start')
    .description('start the release of a change')
    .argument('<release.yaml>', 'a file of releases/')
    .option('--policy <name>', 'another policy than the file names; `immediate` deploys at once, gates stay on')
    .option('--watch', 'follow it to its end')
    .option('--break-glass <reason>', 'start although an alarm fires on what serves now, and say why', textArgument)
    .action((file: string, options: StartOptions) => startRelease(cli, file, options))
  withExample(
    start,
    'release start releases/transferred-calls.yaml --watch',
    'release start releases/first.yaml --policy immediate',
    'release start releases/fix.yaml --break-glass "the incumbent fails; this is its fix"',
  )
  const list = release
    .command('ls')
    .description('list releases, the newest first')
    .option('--task <task>', 'of this task only')
    .option('--open', 'only those that have not ended')
    .option('--after <release>', 'continue after this release', releaseArgument)
    .option('--limit <count>', 'how many', countArgument, 20)
    .action((options: ListOptions) => listReleases(cli, options))
  withExample(list, 'release ls --task csat-scoring', 'release ls --open --json')
  const show = release
    .command('show')
    .description('show where a release is, both arms side by side, the verdicts and what was decided')
    .argument('<release>', 'its id', releaseArgument)
    .option('--plan', 'with the plan; always shown while it is to be approved')
    .action((id: string, options: { plan?: boolean }) => showRelease(cli, id, options.plan === true))
  withExample(show, `release show ${exampleId}`, `release show ${exampleId} --plan`)
  const watch = release
    .command('watch')
    .description('follow a release, a line a change, until it ends; exits with 3 unless it is done')
    .argument('<release>', 'its id', releaseArgument)
    .action((id: string) => watchRelease(cli, id))
  withExample(watch, `release watch ${exampleId}`)
  steeringCommands(release, cli)
}

const steering = {
  pause: { does: 'stop the way forward at once; exposure and guardrails stay', example: 'the summaries look odd' },
  resume: { does: 'go on with a paused release, with the bake that was left', example: 'the summaries are fine' },
  approve: { does: 'approve the plan of a release, named by its digest', example: 'read plan and diff' },
  reject: { does: 'refuse the approval that a release waits for, which ends it', example: 'not before the holidays' },
  advance: { does: 'skip the rest of the bake; never the minimum sample', example: 'a day of traffic is enough' },
  rollback: { does: 'take a release back in every lane', example: 'two customers complain' },
} as const satisfies Record<CommandName, { does: string; example: string }>

function steeringCommands(release: Command, cli: Cli): void {
  for (const [name, { does, example }] of Object.entries(steering)) {
    const command = withReason(release.command(name).description(does).argument('<release>', 'its id', releaseArgument))
    if (name === 'approve') command.option('--plan <digest>', 'the digest of the plan that is approved', digestArgument)
    command.action((id: string, options: SteerOptions) => steer(cli, id, name as CommandName, options))
    const plan = name === 'approve' ? ` --plan sha256:${'4f0c'.repeat(16)}` : ''
    withExample(command, `release ${name} ${exampleId}${plan} --reason "${example}"`)
  }
}

async function startRelease(cli: Cli, file: string, { policy, watch, breakGlass }: StartOptions): Promise<void> {
  const read = readReleaseFile(cli.directory, file)
  const request = breakGlass === undefined ? read : { ...read, breakGlass }
  const chosen = policy === undefined ? request : { ...request, policy: await policyRef(cli, policy) }
  const record = await cli.api.post<ReleaseRecord>('/v1/releases', chosen)
  cli.print.data(record)
  if (watch) return watchRelease(cli, record.id)
  cli.print.line(`release ${record.id} of ${record.task} started`)
  cli.print.line(`Follow it: sluice release watch ${record.id}`)
}

interface ReleasePage {
  readonly items: readonly ReleaseRecord[]
  readonly next?: string
}

async function listReleases(cli: Cli, { task, open, after, limit }: ListOptions): Promise<void> {
  if (task !== undefined) await cli.api.get(`/v1/tasks/${encodeURIComponent(task)}`)
  const page = await cli.api.get<ReleasePage>('/v1/releases', { task, after, limit, open })
  cli.print.data(page)
  if (page.items.length === 0) return cli.print.line(open ? 'No release is open.' : 'No releases yet.')
  printReleases(cli, page.items)
  if (page.next !== undefined) cli.print.line(`More: --after ${page.next}`)
}

async function showRelease(cli: Cli, id: string, withPlan: boolean): Promise<void> {
  const sight = await seeRelease(cli.api, id)
  const isWanted = withPlan || sight.live?.phase === 'awaiting_approval'
  const plan = isWanted && sight.record.plan !== undefined ? await planOf(cli, sight.record.plan) : undefined
  cli.print.data({ ...sight, ...(plan === undefined ? {} : { plan: plan.plan }) })
  printRelease(cli, sight, plan?.text)
}

const planOf = ({ api }: Cli, digest: string) => api.get<{ text: string; plan: Plan }>(`/v1/plans/${digest}`)

interface SteerOptions {
  readonly reason: string
  readonly plan?: string
}

async function steer(cli: Cli, id: string, name: CommandName, { reason, plan }: SteerOptions): Promise<void> {
  const body = { reason, ...(plan === undefined ? {} : { plan }) }
  const view = await orPlanToApprove(cli, id, plan, cli.api.post<ReleaseView>(`${releasePath(id)}/${name}`, body))
  const after = name === 'rollback' ? await untilWithdrawn(cli, id, view) : view
  cli.print.data(after)
  cli.print.line(steeredText(name, after))
}

function steeredText(name: CommandName, { record, live }: ReleaseView): string {
  const phase = isClosed(record.phase) ? record.phase : (live?.phase ?? record.phase)
  const id = record.id
  switch (name) {
    case 'advance':
      return `${id}: the rest of the bake is skipped; the minimum sample is still awaited`
    case 'reject':
      return `${id} is rejected; nothing was exposed`
    case 'rollback':
      if (isClosed(phase)) return `${id} is ${plainText(phase)}; what serves now: sluice active`
      return live === undefined
        ? `${id}: its lanes are restored; the notes and the record follow when a worker runs (sluice doctor)`
        : `${id} goes back; follow it: sluice release watch ${id}`
    default:
      return `${id} is ${plainText(phase)}`
  }
}

/** An approval without a plan is answered with the plan to read and the digest to give. */
async function orPlanToApprove<T>(cli: Cli, id: string, plan: string | undefined, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'plan_mismatch' && plan === undefined)) throw error
    const { record } = await cli.api.get<ReleaseView>(releasePath(id))
    if (record.plan === undefined) throw error
    cli.print.line((await planOf(cli, record.plan)).text)
    cli.print.line()
    const text = `An approval names the plan that was read. Approve this one with --plan ${record.plan}.`
    throw new SluiceError('plan_mismatch', text, { plan: record.plan })
  }
}

const withdrawWaitMs = 10_000
const withdrawPollMs = 200

/** A rollback is accepted at once and done in a moment; the moment is waited for while its workflow answers. */
async function untilWithdrawn(cli: Cli, id: string, first: ReleaseView): Promise<ReleaseView> {
  const until = Date.now() + withdrawWaitMs
  let view = first
  while (!isClosed(view.record.phase) && view.live !== undefined && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, withdrawPollMs))
    view = await cli.api.get<ReleaseView>(releasePath(id))
  }
  return view
}
