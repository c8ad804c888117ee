import type { Command } from 'commander'
import type { ApiClient } from './client'
import type { Printer } from './print'

/** What a command may use. Commands are `xCommand(program, cli)` in `commands/<verb>.ts`, listed in `main.ts`. */
export interface Cli {
  /** Connects on first use, so `--help` works without a server. */
  readonly api: ApiClient
  readonly print: Printer
  /** Directory that relative paths start from. */
  readonly directory: string
  /** Variables that settings are read from; absent: the process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Ends a command that has said everything already, but not as a success. */
export class CommandEnded extends Error {
  readonly as: 'failed' | 'refused'
  constructor(as: 'failed' | 'refused') {
    super(`the command ended as ${as}`)
    this.as = as
  }
}

export type RegisterCommand = (program: Command, cli: Cli) => void

/** Every leaf command shows one; a contract test holds it to that. */
export function withExample(command: Command, ...lines: readonly string[]): Command {
  const label = lines.length === 1 ? 'Example' : 'Examples'
  return command.addHelpText('after', `\n${label}:\n${lines.map((line) => `  $ sluice ${line}`).join('\n')}`)
}
