import type { Command } from 'commander'
import type { TenantEntry, TenantTask } from '../../domain/tenant'
import { textArgument, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { everyItem } from '../pages'
import { agoText, countText, cutText, shortDigest } from '../wording'
import { tenantPath } from './tenant'

interface Override extends TenantTask {
  readonly tenant: string
  readonly task: string
  readonly at: number
  readonly by: string
  readonly reason: string
}

/** `sluice overrides ls|reset`: every tenant that does not follow what is released. */
export function overridesCommand(program: Command, cli: Cli): void {
  const overrides = program.command('overrides').description('tenants that do not follow what is released')
  const list = overrides
    .command('ls')
    .description('list overrides and opt-outs')
    .option('--task <task>', 'of this task only')
    .action((options: { task?: string }) => listOverrides(cli, options.task))
  withExample(list, 'overrides ls --task csat-scoring')
  const reset = overrides
    .command('reset')
    .description("drop a tenant's override or opt-out: it follows what is released again")
    .argument('<tenant>', 'its id', textArgument)
    .argument('<task>', 'the task')
    .action((tenant: string, task: string, options: { reason: string }) =>
      resetOverride(cli, tenant, task, options.reason),
    )
  withReason(reset)
  withExample(reset, 'overrides reset acme csat-scoring --reason "their wording is in 1.5.0"')
}

const reasonWidth = 60

async function listOverrides(cli: Cli, task: string | undefined): Promise<void> {
  const all = await everyItem<Override>(cli.api, '/v1/overrides')
  const items = task === undefined ? all : all.filter((item) => item.task === task)
  cli.print.data({ items })
  if (items.length === 0) return cli.print.line('Every tenant follows what is released.')
  cli.print.table(
    ['tenant', 'task', 'what', 'stays on', 'made from', 'by', 'since', 'why'],
    items.map((item) => [
      item.tenant,
      item.task,
      item.override ? 'override' : 'opt-out',
      pinsText(item),
      item.override ? shortDigest(item.override.base) : '',
      item.by,
      agoText(item.at),
      cutText(item.reason, reasonWidth),
    ]),
  )
  cli.print.line(countText(items.length, 'tenant'))
}

/** What is pinned, once where it is the same in every environment. */
function pinsText({ override, optOut }: TenantTask): string {
  const pins = Object.entries(override?.pins ?? optOut ?? {})
  const composites = new Set(pins.map(([, { composite }]) => composite))
  const [only] = composites
  if (composites.size === 1 && only !== undefined) return shortDigest(only)
  return pins.map(([environment, { composite }]) => `${environment} ${shortDigest(composite)}`).join(', ')
}

async function resetOverride(cli: Cli, tenant: string, task: string, reason: string): Promise<void> {
  const query = new URLSearchParams({ reason })
  const path = `${tenantPath(tenant)}/overrides/${encodeURIComponent(task)}?${query}`
  const entry = await cli.api.delete<TenantEntry>(path)
  cli.print.data(entry)
  cli.print.line(`${tenant} follows what is released of ${task} again (entry ${entry.seq}).`)
}
