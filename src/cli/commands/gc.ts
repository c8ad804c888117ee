import type { Command } from 'commander'
import type { GarbagePlan, GarbageTotals, GarbageVerdict } from '../../domain/retention'
import { type Cli, withExample } from '../cli'

/** `sluice gc`: what nothing needs any more. */
export function gcCommand(program: Command, cli: Cli): void {
  const gc = program.command('gc').description('heavy content that nothing needs any more')
  const plan = gc
    .command('plan')
    .description('say what a run would drop and why, or why one thing stays; drops nothing')
    .option('--explain <ref>', 'a version kind/name@semver, or the id of a composite')
    .option('--limit <n>', 'versions to list; the totals are whole', '50')
    .action((options: PlanOptions) => (options.explain === undefined ? showPlan(cli, options) : explain(cli, options)))
  withExample(plan, 'gc plan', 'gc plan --explain prompt/csat@1.2.0')
}

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

function printTotals(cli: Cli, totals: GarbageTotals): void {
  for (const [what, { count, bytes }] of Object.entries(totals)) cli.print.line(`${what}: ${count}, ${bytes} bytes`)
}
