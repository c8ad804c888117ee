#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { type Environment, readConfig } from '../config'
import { errorTable, SluiceError } from '../errors'
import { type Cli, CommandEnded, type RegisterCommand } from './cli'
import { createApiClient, findConnection } from './client'
import { activeCommand } from './commands/active'
import { artifactCommand } from './commands/artifact'
import { auditCommand } from './commands/audit'
import { backtestCommand } from './commands/backtest'
import { captureCommand, eraseCommand } from './commands/capture'
import { compositeCommand } from './commands/composite'
import { datasetCommand } from './commands/dataset'
import { diffCommand } from './commands/diff'
import { doctorCommand } from './commands/doctor'
import { evalCommand } from './commands/eval'
import { explainCommand } from './commands/explain'
import { gcCommand } from './commands/gc'
import { holdCommand } from './commands/hold'
import { importCommand } from './commands/import'
import { keyCommand } from './commands/key'
import { leaksCommand } from './commands/leaks'
import { lineageCommand } from './commands/lineage'
import { notesCommand } from './commands/notes'
import { overridesCommand } from './commands/overrides'
import { planCommand } from './commands/plan'
import { providerCommand } from './commands/provider'
import { pullCommand } from './commands/pull'
import { pushCommand } from './commands/push'
import { reconcileCommand } from './commands/reconcile'
import { releaseCommand } from './commands/release'
import { reproduceCommand } from './commands/reproduce'
import { rollbackCommand } from './commands/rollback'
import { switchCommand } from './commands/switch'
import { taskCommand } from './commands/task'
import { tenantCommand } from './commands/tenant'
import { upCommand } from './commands/up'
import { createPrinter, type Output } from './print'

/** Every command; a new one is a file in `commands/` and a line here. */
const commands: readonly RegisterCommand[] = [
  upCommand,
  doctorCommand,
  pushCommand,
  pullCommand,
  importCommand,
  diffCommand,
  artifactCommand,
  datasetCommand,
  compositeCommand,
  lineageCommand,
  taskCommand,
  evalCommand,
  leaksCommand,
  planCommand,
  releaseCommand,
  activeCommand,
  rollbackCommand,
  switchCommand,
  holdCommand,
  tenantCommand,
  overridesCommand,
  notesCommand,
  explainCommand,
  captureCommand,
  eraseCommand,
  reproduceCommand,
  providerCommand,
  auditCommand,
  keyCommand,
  backtestCommand,
  gcCommand,
  reconcileCommand,
]

export const exitCodes = { ok: 0, failed: 1, usage: 2, refused: 3 } as const

/** What the process gives a run of the CLI; tests give their own. */
export interface CliProcess {
  /** Absent: the process's own. */
  readonly environment?: Environment
  readonly directory: string
  readonly output: Output
}

/** The command tree, for running and for documentation. */
export function buildProgram(host: CliProcess): Command {
  let json = false
  const cli: Cli = {
    api: createApiClient(() => findConnection(readConfig(host.environment), host.directory)),
    print: createPrinter(host.output, () => json),
    directory: host.directory,
    ...(host.environment === undefined ? {} : { environment: host.environment }),
  }
  const program = new Command('sluice')
    .description('Releases AI changes a little at a time, and takes them back by itself.')
    .showHelpAfterError('Run the command with --help for its use.')
    .hook('preAction', (_, action) => {
      json = action.opts<{ json?: boolean }>().json === true
    })
  for (const register of commands) register(program, cli)
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => host.output.out(text),
      writeErr: (text) => host.output.err(text),
    })
    if (isLeaf(command, program)) command.option('--json', 'print the answer as JSON')
  }
  return program
}

/** The command and all below it. */
export function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

const isLeaf = (command: Command, program: Command): boolean => command !== program && command.commands.length === 0

/** Runs one command line (without node and script) and answers the exit code. */
export async function runCli(args: readonly string[], host: CliProcess): Promise<number> {
  try {
    await buildProgram(host).parseAsync(args, { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    if (error instanceof CommandEnded) return exitCodes[error.as]
    return failure(error, args.includes('--json'), host.output)
  }
}

function failure(error: unknown, json: boolean, output: Output): number {
  if (!(error instanceof SluiceError)) {
    output.err(`internal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return exitCodes.failed
  }
  const { help } = errorTable[error.code]
  const { code, message, details } = error
  output.err(json ? `${JSON.stringify({ code, message, help, details })}\n` : `${code}: ${message}\n${help}\n`)
  return error.status === 409 ? exitCodes.refused : exitCodes.failed
}

if (require.main === module) {
  // Who reads no further, such as `head`, has what was wanted.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed),
  )
  const host: CliProcess = {
    directory: process.cwd(),
    output: {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    },
  }
  void runCli(process.argv.slice(2), host).then((code) => {
    process.exitCode = code
  })
}
