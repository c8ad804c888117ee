import type { Command } from 'commander'
import type { Plan } from '../../domain/plan'
import { type Cli, withExample } from '../cli'
import { policyRef, readReleaseFile } from '../release-file'

interface PlanAnswer {
  readonly digest: string
  readonly text: string
  readonly plan: Plan
}

/** `sluice plan <release.yaml>`: what a release would do; nothing is started. */
export function planCommand(program: Command, cli: Cli): void {
  const command = program
    .command('plan')
    .description('say what a release would do, to whom and in which steps; starts nothing')
    .argument('<release.yaml>', 'a file of releases/')
    .option('--policy <name>', 'another policy than the file names')
    .action((file: string, options: { policy?: string }) => plan(cli, file, options.policy))
  withExample(
    command,
    'plan releases/transferred-calls.yaml',
    'plan releases/transferred-calls.yaml --policy immediate --json',
  )
}

async function plan(cli: Cli, file: string, policy: string | undefined): Promise<void> {
  const request = readReleaseFile(cli.directory, file)
  const chosen = policy === undefined ? request : { ...request, policy: await policyRef(cli, policy) }
  const answer = await cli.api.post<PlanAnswer>('/v1/plans', chosen)
  cli.print.data(answer)
  cli.print.line(answer.text)
  cli.print.line(`plan: ${answer.digest}`)
}
