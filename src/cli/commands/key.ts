import { type Command, Option } from 'commander'
import { SluiceError } from '../../errors'
import { drawKey, keyIdOf } from '../../store/api-key'
import type { KnownKey } from '../../store/keys'
import { digestStartArgument } from '../arguments'
import { type Cli, withExample } from '../cli'
import { everyItem } from '../pages'
import { agoText, shortDigest } from '../wording'

/** `sluice key create|ls|revoke`: the API keys of applications and people. */
export function keyCommand(program: Command, cli: Cli): void {
  const key = program.command('key').description('API keys of applications and people')
  const create = key
    .command('create')
    .description('draw an API key and make it known; it is shown this once')
    .argument('<name>', 'who uses it: what is done with it is signed so')
    .addOption(
      new Option('--role <role>', 'app: what the SDK asks and tells; admin: everything')
        .choices(['app', 'admin'])
        .makeOptionMandatory(),
    )
    .action((name: string, { role }: Pick<KnownKey, 'role'>) => createKey(cli, { name, role }))
  withExample(create, 'key create checkout-service --role app', 'key create ann --role admin')
  const list = key
    .command('ls')
    .description('list API keys, those in force first')
    .action(() => listKeys(cli))
  withExample(list, 'key ls')
  const revoke = key
    .command('revoke')
    .description('revoke an API key for good')
    .argument('<id>', 'as `key ls` shows it; six hex digits are enough', digestStartArgument)
    .action((id: string) => revokeKey(cli, id))
  withExample(revoke, 'key revoke 4f0c9a2b1c3d')
}

/** Drawn here, so that whoever repeats a call that was cut off gets a key of its own, and no answer ever holds one. */
async function createKey(cli: Cli, of: Pick<KnownKey, 'name' | 'role'>): Promise<void> {
  const key = drawKey(of.role)
  const known = await cli.api.put<KnownKey>(`/v1/keys/${keyIdOf(key)}`, of)
  cli.print.data({ ...known, key })
  cli.print.line(key)
  cli.print.progress(`The ${of.role} key of ${of.name}, ${shortDigest(known.id)}. It is not shown again: keep it now.`)
}

async function listKeys(cli: Cli): Promise<void> {
  const keys = [...(await everyItem<KnownKey>(cli.api, '/v1/keys'))]
  keys.sort((left, right) => Number(isRevoked(left)) - Number(isRevoked(right)) || left.createdAt - right.createdAt)
  cli.print.data({ items: keys })
  cli.print.table(
    ['id', 'name', 'role', 'made', 'revoked'],
    keys.map((key) => [
      shortDigest(key.id),
      key.name,
      key.role,
      signed(key.createdAt, key.createdBy),
      key.revokedAt === undefined ? '' : signed(key.revokedAt, key.revokedBy),
    ]),
  )
}

const isRevoked = ({ revokedAt }: KnownKey): boolean => revokedAt !== undefined
const signed = (at: number, by: string | undefined): string => `${agoText(at)}${by === undefined ? '' : ` by ${by}`}`

async function revokeKey(cli: Cli, start: string): Promise<void> {
  const found = (await everyItem<KnownKey>(cli.api, '/v1/keys')).filter(({ id }) => id.startsWith(start))
  const [only] = found
  if (found.length !== 1 || only === undefined) {
    const text = found.length > 1 ? `${start} begins ${found.length} keys` : `No key begins with ${start}`
    throw new SluiceError('not_found', `${text}; \`sluice key ls\` lists them.`)
  }
  const revoked = await cli.api.delete<KnownKey>(`/v1/keys/${only.id}`)
  cli.print.data(revoked)
  cli.print.line(`The ${only.role} key ${shortDigest(only.id)} of ${only.name} is revoked.`)
}
