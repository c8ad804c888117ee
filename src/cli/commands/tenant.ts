import { type Command, Option } from 'commander'
import { rings, type TenantEntry, type TenantTask } from '../../domain/tenant'
import { SluiceError } from '../../errors'
import { textArgument, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { everyItem } from '../pages'
import { agoText, countText, cutText, dateText, shortDigest } from '../wording'

interface OverrideOptions {
  readonly prompt?: string
  readonly filter?: string
  readonly reason: string
}

/** `sluice tenant …`: who is served, in which ring, and what of their own. */
export function tenantCommand(program: Command, cli: Cli): void {
  const tenant = program.command('tenant').description('tenants: rings, overrides, opt-outs')
  const list = tenant
    .command('ls')
    .description('list the tenants that are known')
    .addOption(new Option('--ring <ring>', 'only this ring').choices(rings))
    .action((options: { ring?: string }) => listTenants(cli, options.ring))
  withExample(list, 'tenant ls --ring pilot')
  const show = tenant
    .command('show')
    .description('show a tenant and how it came to be so')
    .argument('<tenant>', 'its id', textArgument)
    .action((id: string) => showTenant(cli, id))
  withExample(show, 'tenant show acme')
  const override = tenant
    .command('override')
    .description("give a tenant a prompt or filter of its own, on what the task's rollout environment serves now")
    .argument('<tenant>', 'its id', textArgument)
    .argument('<task>', 'the task')
    .option('--prompt <ref>', 'its prompt', textArgument)
    .option('--filter <ref>', 'its filter', textArgument)
    .action((id: string, task: string, options: OverrideOptions, command: Command) => {
      if (options.prompt === undefined && options.filter === undefined) {
        command.error('error: say what the tenant gets of its own: --prompt <ref>, --filter <ref>, or both')
      }
      return overrideTenant(cli, id, task, options)
    })
  withReason(override)
  withExample(override, 'tenant override acme csat-scoring --prompt csat-acme@1.0.0 --reason "own wording of scores"')
  const optOut = tenant
    .command('opt-out')
    .description('leave a tenant on what serves it now, whatever is released')
    .argument('<tenant>', 'its id', textArgument)
    .argument('<task>', 'the task')
    .action((id: string, task: string, options: { reason: string }) => optOutTenant(cli, id, task, options.reason))
  withReason(optOut)
  withExample(optOut, 'tenant opt-out acme csat-scoring --reason "freeze until their audit is over"')
}

export const tenantPath = (id: string): string => `/v1/tenants/${encodeURIComponent(id)}`

async function listTenants(cli: Cli, ring: string | undefined): Promise<void> {
  const all = await everyItem<TenantEntry>(cli.api, '/v1/tenants')
  const items = ring === undefined ? all : all.filter(({ state }) => state.ring === ring)
  cli.print.data({ items })
  if (items.length === 0) return cli.print.line('No tenants.')
  cli.print.table(
    ['tenant', 'ring', 'region', 'locale', 'own', 'changed'],
    items.map(({ tenant, at, state }) => [
      tenant,
      state.ring,
      state.region ?? '',
      state.locale ?? '',
      Object.entries(state.tasks)
        .flatMap(([task, own]) => ownText(task, own))
        .join('; '),
      agoText(at),
    ]),
  )
  cli.print.line(countText(items.length, 'tenant'))
}

const ownText = (task: string, { override, optOut, runs }: TenantTask): readonly string[] => [
  ...(override ? [`override of ${task}`] : []),
  ...(optOut ? [`opted out of ${task}`] : []),
  ...(runs === undefined ? [] : [runs ? `runs ${task}` : `does not run ${task}`]),
]

async function showTenant(cli: Cli, id: string): Promise<void> {
  const found = await cli.api.get<{ current: TenantEntry; history: readonly TenantEntry[] }>(tenantPath(id))
  cli.print.data(found)
  const { tenant, seq, state } = found.current
  cli.print.line(`${tenant}   ring ${state.ring}   entry ${seq}`)
  if (state.region !== undefined) cli.print.line(`region    ${state.region}`)
  if (state.locale !== undefined) cli.print.line(`locale    ${state.locale}`)
  if (state.contacts.length > 0) cli.print.line(`contacts  ${state.contacts.join(', ')}`)
  for (const [task, own] of Object.entries(state.tasks)) for (const line of taskLines(task, own)) cli.print.line(line)
  cli.print.line()
  cli.print.table(
    ['entry', 'when', 'by', 'why'],
    found.history.map((entry) => [String(entry.seq), dateText(entry.at), entry.by, cutText(entry.reason, reasonWidth)]),
  )
}

const reasonWidth = 80

function taskLines(task: string, { override, optOut, runs }: TenantTask): readonly string[] {
  const pins = (of: Readonly<Record<string, { composite: string }>>): string =>
    Object.entries(of)
      .map(([environment, { composite }]) => `${environment} ${shortDigest(composite)}`)
      .join(', ')
  return [
    ...(runs === undefined ? [] : [`${task}: ${runs ? 'runs it' : 'does not run it'}`]),
    ...(override ? [`${task}: override of ${shortDigest(override.base)}, serves ${pins(override.pins)}`] : []),
    ...(optOut ? [`${task}: opted out, stays on ${pins(optOut)}`] : []),
  ]
}

async function overrideTenant(cli: Cli, id: string, task: string, options: OverrideOptions): Promise<void> {
  const { prompt, filter, reason } = options
  const body = { reason, ...(prompt === undefined ? {} : { prompt }), ...(filter === undefined ? {} : { filter }) }
  const path = `${tenantPath(id)}/overrides/${encodeURIComponent(task)}`
  const entry = await orTestCommand(cli, task, cli.api.put<TenantEntry>(path, body))
  cli.print.data(entry)
  cli.print.line(`${entry.tenant} has its own ${task} from now on (entry ${entry.seq}).`)
  cli.print.line(`Back to everybody's: sluice overrides reset ${id} ${task} --reason "…"`)
}

/** An override that is not tested yet is answered with the command that tests it. */
async function orTestCommand<T>(cli: Cli, task: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'tenant_pending')) throw error
    const { candidate, incumbent } = error.details as Partial<Record<string, string>>
    const { suite } = await cli.api.get<{ suite: string }>(`/v1/tasks/${encodeURIComponent(task)}`)
    const test = `sluice eval run ${suite.replace(/^suite\//, '')} --candidate ${candidate} --incumbent ${incumbent}`
    throw new SluiceError(error.code, `The override is not tested yet. Test it, then ask again: ${test}`, error.details)
  }
}

async function optOutTenant(cli: Cli, id: string, task: string, reason: string): Promise<void> {
  const entry = await cli.api.put<TenantEntry>(`${tenantPath(id)}/opt-outs/${encodeURIComponent(task)}`, { reason })
  cli.print.data(entry)
  for (const [environment, { composite }] of Object.entries(entry.state.tasks[task]?.optOut ?? {})) {
    cli.print.line(`${id} stays on ${shortDigest(composite)} for ${task} in ${environment}.`)
  }
}
