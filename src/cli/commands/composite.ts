import type { Command } from 'commander'
import type { CompositeVerification, ServedComposite } from '../../domain/composite'
import { SluiceError } from '../../errors'
import { type Cli, withExample } from '../cli'

export function compositeCommand(program: Command, cli: Cli): void {
  const composite = program.command('composite').description('what one task pins, role by role')
  const show = composite
    .command('show')
    .description('show the roles of a composite')
    .argument('<composite>', 'its id, task@id or task@environment')
    .action((id: string) => showComposite(cli, id))
  withExample(show, 'composite show csat-scoring@production')
  const verify = composite
    .command('verify')
    .description('compute every digest of a composite again from what is stored')
    .argument('<composite>', 'its id, task@id or task@environment')
    .action((id: string) => verifyComposite(cli, id))
  withExample(verify, 'composite verify sha256:4f0c… --json')
}

async function showComposite({ api, print }: Cli, id: string): Promise<void> {
  const found = await api.get<ServedComposite>(`/v1/composites/${encodeURIComponent(id)}`)
  print.data(found)
  print.line(found.id)
  print.table(
    ['role', 'version', 'digest'],
    Object.entries(found.roles).map(([role, pin]) => [role, pin.ref, pin.digest]),
  )
}

async function verifyComposite({ api, print }: Cli, id: string): Promise<void> {
  const found = await api.get<CompositeVerification>(`/v1/composites/${encodeURIComponent(id)}/verification`)
  print.data(found)
  print.table(
    ['', 'role', 'version', 'digest'],
    found.roles.map((role) => [role.valid ? 'ok' : 'ALTERED', role.role, role.ref, role.digest]),
  )
  if (!found.valid) {
    throw new SluiceError('digest_mismatch', `The contents of ${found.id} make ${found.computed}.`, { ...found })
  }
  print.line(`${found.id} is what its contents say.`)
}
