import type { Command } from 'commander'
import { type Cli, withExample } from '../cli'

interface Options {
  readonly name: string
}

/** `sluice up`: the servers the product needs, the API and the worker, until Ctrl-C. */
export function upCommand(program: Command, cli: Cli): void {
  const command = program
    .command('up')
    .description('start MongoDB and Temporal (unless told where they run), the API server and the worker')
    .option('--name <name>', 'instance, whose data lie in .sluice/<name>', 'local')
    .action(({ name }: Options) => {
      // Loaded by who runs it: the libraries of both servers would double the start of every other command.
      const { up } = require('../up') as typeof import('../up')
      return up(cli, name)
    })
  withExample(command, 'up', 'up --name trial')
}
