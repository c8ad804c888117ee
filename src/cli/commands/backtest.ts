import { type Command, InvalidArgumentError } from 'commander'
import { SluiceError } from '../../errors'
import type { BacktestSummary, ReleaseBacktest } from '../../store/backtests'
import { releaseArgument, textArgument } from '../arguments'
import { printBacktest, printBacktests } from '../backtest-text'
import { type Cli, withExample } from '../cli'
import { releasePath } from '../release-sight'

interface Options {
  readonly release?: string
  readonly task?: string
  readonly last: number
  readonly all?: boolean
}

const maxReleases = 50

/** `sluice backtest`: old releases under another policy. */
export function backtestCommand(program: Command, cli: Cli): void {
  const command = program
    .command('backtest')
    .argument('<policy>', 'name@semver, or the digest of a policy', textArgument)
    .description('say what another policy would have done with the evidence of old releases; changes nothing')
    .option('--release <id>', 'one release, decision by decision', releaseArgument)
    .option('--task <task>', 'the last releases of a task, a line each', textArgument)
    .option('--last <n>', `with --task: how many, at most ${maxReleases}`, countArgument, 10)
    .option('--all', 'with --release: every look, also those at which nothing differs')
    .action((policy: string, options: Options) => runBacktest(cli, policy, options))
  withExample(
    command,
    'backtest strict@1.1.0 --release 01J9ZKQ5X8B2M4N6P8R0T2V4W6',
    'backtest strict@1.1.0 --task csat-scoring --last 20',
  )
}

function countArgument(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= maxReleases) return count
  throw new InvalidArgumentError(`Write a whole number from 1 to ${maxReleases}.`)
}

async function runBacktest(cli: Cli, policy: string, { release, task, last, all = false }: Options): Promise<void> {
  if ((release === undefined) === (task === undefined)) {
    throw new SluiceError('invalid_request', 'Name either a release (--release) or a task (--task).')
  }
  if (release !== undefined) {
    const found = await cli.api.get<ReleaseBacktest>(`${releasePath(release)}/backtest`, { policy })
    cli.print.data(found)
    return printBacktest(cli, found, all)
  }
  const path = `/v1/tasks/${encodeURIComponent(task ?? '')}/backtest`
  const { items } = await cli.api.get<{ items: readonly BacktestSummary[] }>(path, { policy, last })
  cli.print.data({ items })
  printBacktests(cli, items)
}
