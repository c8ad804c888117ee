import type { Command } from 'commander'
import type { VerifiedChain } from '../../api/routes/audit'
import { textArgument } from '../arguments'
import { type Cli, CommandEnded, withExample } from '../cli'
import { everyItem } from '../pages'
import { countText } from '../wording'

interface Options {
  readonly env?: string
  readonly task?: string
}

/** `sluice audit verify`: computes every hash chain again. */
export function auditCommand(program: Command, cli: Cli): void {
  const audit = program.command('audit').description('the records that cannot be altered unseen')
  const verify = audit
    .command('verify')
    .description('compute the hash chains of lanes and of release decisions again; exits with 1 where one is broken')
    .option('--env <environment>', 'lanes of this environment only', textArgument)
    .option('--task <task>', 'lanes and releases of this task only', textArgument)
    .action((options: Options) => verifyChains(cli, options))
  withExample(verify, 'audit verify', 'audit verify --env production --task csat-scoring --json')
}

async function verifyChains(cli: Cli, { env, task }: Options): Promise<void> {
  if (task !== undefined) await cli.api.get(`/v1/tasks/${encodeURIComponent(task)}`)
  const lanes = await everyItem<VerifiedChain>(cli.api, '/v1/audit/verify', { chains: 'lanes', environment: env, task })
  const releases = await everyItem<VerifiedChain>(cli.api, '/v1/audit/verify', { chains: 'releases', task })
  const items = [...lanes, ...releases]
  const broken = items.filter(({ valid }) => !valid)
  cli.print.data({ items, broken: broken.length })
  const links = (of: readonly VerifiedChain[]): number => of.reduce((sum, { length }) => sum + length, 0)
  for (const { name, problem } of broken) cli.print.line(`BROKEN  ${name}: ${problem}`)
  const sum = `${countText(lanes.length, 'lane')} with ${links(lanes)} entries, ${countText(releases.length, 'release')} with ${links(releases)} decisions`
  cli.print.line(
    broken.length === 0
      ? `All chains hold: ${sum}.`
      : `${broken.length} of ${items.length} chains are broken (${sum}).`,
  )
  if (broken.length === 0) return
  cli.print.line('Stored history was altered. Stop releases, keep the database as it is, compare it with a backup.')
  throw new CommandEnded('failed')
}
