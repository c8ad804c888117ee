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

/** Ends a command that has said everything already with an exit code other than 0. */
export class CommandEnded extends Error {
  readonly exitCode: number
  constructor(exitCode: number) {
    super(`ended with ${exitCode}`)
    this.exitCode = exitCode
  }
}

/** 2 is commander's: the command line itself is wrong. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, refused: 3 } as const

export type RegisterCommand = (program: Command, cli: Cli) => void

/** Every leaf command shows one; a contract test holds it to that. */
export function withExample(command: Command, ...lines: readonly string[]): Command {
  const label = lines.length === 1 ? 'Example' : 'Examples'
  return command.addHelpText('after', `\n${label}:\n${lines.map((line) => `  $ sluice ${line}`).join('\n')}`)
}
