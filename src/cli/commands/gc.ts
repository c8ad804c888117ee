import type { Command } from 'commander'
import type { GarbagePlan, GarbageRun, GarbageTotals, GarbageVerdict, RetentionSetting } from '../../domain/retention'
import { SluiceError } from '../../errors'
import { type Cli, CommandEnded, withExample } from '../cli'
import { everyItem } from '../pages'

const pollMs = 500
/** Polls of one run: about a day. */
const maxPolls = 172_800

/** `sluice gc`: what nothing needs any more. */
export function gcCommand(program: Command, cli: Cli): void {
  const gc = program.command('gc').description('heavy content that nothing needs any more')
  planCommand(gc, cli)
  runCommands(gc, cli)
  policyCommand(gc, cli)
}

function planCommand(gc: Command, cli: Cli): void {
  const plan = gc
    .command('plan')
    .description('say what a run would drop and why, or why one thing stays; drops nothing')
    .option('--explain <ref>', 'a version kind/name@semver, or the id of a composite')
    .option('--limit <n>', 'versions to list; the totals are whole', '50')
    .action((options: PlanOptions) => (options.explain === undefined ? showPlan(cli, options) : explain(cli, options)))
  withExample(plan, 'gc plan', 'gc plan --explain prompt/csat@1.2.0')
}

function runCommands(gc: Command, cli: Cli): void {
  const run = gc
    .command('run')
    .description('drop what the plan says, and watch; a run that is under way already is watched instead')
    .action(() => runNow(cli))
  withExample(run, 'gc run', 'gc run --json')
  const list = gc
    .command('ls')
    .description('list the runs, the newest first')
    .action(() => listRuns(cli))
  withExample(list, 'gc ls')
  const show = gc
    .command('show')
    .argument('<run>', 'the id of a run')
    .description('show what a run dropped, and how it ended')
    .action(async (id: string) => showRun(cli, await cli.api.get<GarbageRun>(pathOf(id))))
  withExample(show, 'gc show 01J9ZB6Y3D5V8Q4K7N2M0T1XWR')
  const cancel = gc
    .command('cancel')
    .argument('<run>', 'the id of a run')
    .description('stop a run at once; what it dropped stays dropped')
    .action(async (id: string) => showRun(cli, await cli.api.post<GarbageRun>(`${pathOf(id)}/cancel`, {})))
  withExample(cancel, 'gc cancel 01J9ZB6Y3D5V8Q4K7N2M0T1XWR')
}

function policyCommand(gc: Command, cli: Cli): void {
  const policy = gc
    .command('policy')
    .description('show how long what nothing needs is kept, or change it')
    .option('--experiment-days <n>', 'days after an experiment was last registered, composed or evaluated')
    .option('--upload-days <n>', 'days that uploaded rows wait for a version that names them')
    .option('--heavy-bytes <n>', 'contents up to this size are kept for ever')
    .option('--automatic <on|off>', 'whether the schedule drops by itself')
    .option('--reason <text>', 'why it is changed; required for a change')
    .action((options: PolicyOptions) => changeOrShow(cli, options))
  withExample(policy, 'gc policy', 'gc policy --experiment-days 30 --automatic on --reason "storage budget"')
}

const pathOf = (id: string): string => `/v1/gc/runs/${encodeURIComponent(id)}`

interface PlanOptions {
  readonly explain?: string
  readonly limit: string
}

async function showPlan(cli: Cli, { limit }: PlanOptions): Promise<void> {
  const plan = await cli.api.get<GarbagePlan>('/v1/gc/plan', { limit })
  cli.print.data(plan)
  cli.print.table(
    ['VERSION', 'DROPS', 'BYTES', 'WHY'],
    plan.items.map(({ ref, what, bytes, why }) => [ref, what, String(bytes), why]),
  )
  if (plan.totals.versions.count > plan.items.length) {
    cli.print.line(`… and ${plan.totals.versions.count - plan.items.length} more versions`)
  }
  printTotals(cli, plan.totals)
  cli.print.line(`${plan.kept.versions} versions keep their content`)
}

async function explain(cli: Cli, { explain: ref = '' }: PlanOptions): Promise<void> {
  const found = await cli.api.get<GarbageVerdict>('/v1/gc/explanation', { ref })
  cli.print.data(found)
  cli.print.line(`${found.ref}: ${found.verdict}`)
  for (const step of found.path) cli.print.line(`  ${step}`)
}

async function runNow(cli: Cli): Promise<void> {
  const started = await cli.api.post<GarbageRun>('/v1/gc/runs', {})
  cli.print.progress(`run ${started.id}, asked for by ${started.by}`)
  const ended = await follow(cli, started)
  showRun(cli, ended)
  if (ended.state !== 'done') throw new CommandEnded('failed')
}

async function follow(cli: Cli, { id }: GarbageRun): Promise<GarbageRun> {
  let told = ''
  for (let poll = 0; poll < maxPolls; poll += 1) {
    const run = await cli.api.get<GarbageRun>(pathOf(id))
    if (run.state !== 'running') return run
    const text = run.phase === undefined ? 'waiting for a worker' : `${run.phase}: ${textOf(run.totals[run.phase])}`
    if (text !== told) cli.print.progress(text)
    told = text
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  throw new SluiceError('not_found', `The run ${id} is still going on: \`sluice gc show ${id}\`.`, { id })
}

async function listRuns(cli: Cli): Promise<void> {
  const runs = await everyItem<GarbageRun>(cli.api, '/v1/gc/runs')
  cli.print.data(runs)
  cli.print.table(
    ['RUN', 'STATE', 'BY', 'STARTED', 'VERSIONS', 'OUTPUTS', 'ROWS', 'CAPTURES'],
    runs.map(({ id, state, by, startedAt, totals: { versions, outputs, rows, captures } }) => [
      ...[id, state, by, new Date(startedAt).toISOString()],
      ...[versions, outputs, rows, captures].map(({ count }) => String(count)),
    ]),
  )
}

function showRun(cli: Cli, run: GarbageRun): void {
  cli.print.data(run)
  cli.print.line(`${run.id}: ${run.state}, asked for by ${run.by} at ${new Date(run.startedAt).toISOString()}`)
  if (run.failure !== undefined) cli.print.line(run.failure)
  printTotals(cli, run.totals)
}

const textOf = ({ count, bytes }: { readonly count: number; readonly bytes: number }): string =>
  `${count}, ${bytes} bytes`

function printTotals(cli: Cli, totals: GarbageTotals): void {
  for (const [what, tally] of Object.entries(totals)) cli.print.line(`${what}: ${textOf(tally)}`)
}

interface PolicyOptions {
  readonly experimentDays?: string
  readonly uploadDays?: string
  readonly heavyBytes?: string
  readonly automatic?: string
  readonly reason?: string
}

async function changeOrShow(cli: Cli, { reason, automatic, ...given }: PolicyOptions): Promise<void> {
  const current = await cli.api.get<RetentionSetting>('/v1/gc/policy')
  const change: Partial<Record<keyof RetentionSetting, number | boolean>> = {}
  for (const name of ['experimentDays', 'uploadDays', 'heavyBytes'] as const) {
    const text = given[name]
    if (text !== undefined) change[name] = numberOf(name, text)
  }
  if (automatic !== undefined) change.automatic = isOn(automatic)
  if (Object.keys(change).length === 0) return showPolicy(cli, current)
  if (reason === undefined) throw new SluiceError('reason_missing', 'Say why retention is changed: --reason <text>.')
  const { experimentDays, uploadDays, heavyBytes } = current
  const whole = { experimentDays, uploadDays, heavyBytes, automatic: current.automatic, ...change, reason }
  showPolicy(cli, await cli.api.put<RetentionSetting>('/v1/gc/policy', whole))
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text)
  const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new SluiceError('invalid_request', `--${option} takes a whole number, not ${text}.`)
}

function isOn(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on'
  throw new SluiceError('invalid_request', `--automatic takes on or off, not ${text}.`)
}

function showPolicy(cli: Cli, setting: RetentionSetting): void {
  const { experimentDays, uploadDays, heavyBytes, automatic, by, reason, at } = setting
  cli.print.data(setting)
  cli.print.line(`experiments are kept for ${experimentDays} days after their last use, uploads for ${uploadDays}`)
  cli.print.line(`contents of up to ${heavyBytes} bytes are kept for ever`)
  cli.print.line(automatic ? 'the schedule drops by itself' : 'nothing is dropped unless `sluice gc run` is asked for')
  if (at !== undefined) cli.print.line(`set by ${by} at ${new Date(at).toISOString()}: ${reason}`)
}
