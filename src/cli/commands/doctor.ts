import type { Command } from 'commander'
import { type Cli, withExample } from '../cli'

/** `sluice doctor`: what is wrong and what to do about it, also while a server is down. */
export function doctorCommand(program: Command, cli: Cli): void {
  const command = program
    .command('doctor')
    .description('look for what is wrong, MongoDB and Temporal first; exits with 1 where something is')
    .action(() => {
      // Loaded by who runs it: the libraries of both servers would double the start of every other command.
      const { examine } = require('../doctor') as typeof import('../doctor')
      return examine(cli)
    })
  withExample(command, 'doctor', 'doctor --json')
}
