import type { Command } from 'commander'
import { type Config, readConfig } from '../../config'
import { SluiceError } from '../../errors'
import type { Reconciled } from '../../reconciler'
import { type Cli, withExample } from '../cli'
import { findServers } from '../servers'
import { countText, plainText } from '../wording'

/** `sluice reconcile`: one pass of what every server does by itself, for when no server runs. */
export function reconcileCommand(program: Command, cli: Cli): void {
  const command = program
    .command('reconcile')
    .description('end releases whose workflow is gone: restore their lanes, tell the tenants, close the record')
    .action(() => reconcile(cli))
  withExample(command, 'reconcile', 'reconcile --json')
}

async function reconcile(cli: Cli): Promise<void> {
  const config = readConfig(cli.environment)
  const done = await pass(config, cli.directory)
  cli.print.data({ items: done })
  if (done.length === 0) cli.print.line('Every open release has a running workflow; nothing to do.')
  for (const { release, task, did, why } of done) cli.print.line(`${release} of ${task} is ${plainText(did)}: ${why}`)
  if (done.length > 0) cli.print.line(`${countText(done.length, 'release')} ended.`)
}

async function pass(config: Config, directory: string): Promise<readonly Reconciled[]> {
  const { mongodbUri, temporalAddress } = findServers(config, directory)
  if (mongodbUri === undefined || temporalAddress === undefined) {
    const text =
      'Where MongoDB and Temporal are is not known: set MONGODB_URI and TEMPORAL_ADDRESS, or run `sluice up` here.'
    throw new SluiceError('invalid_config', text)
  }
  // Loaded by who runs it: the libraries of both servers would double the start of every other command.
  const { reconcileNow } = require('../../reconciler') as typeof import('../../reconciler')
  return reconcileNow({ ...config, mongodbUri, temporalAddress })
}
