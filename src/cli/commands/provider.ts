import type { Command } from 'commander'
import { type ProviderChange, pairText, type SuspectedChange } from '../../domain/provider-change'
import { SluiceError } from '../../errors'
import { digestStartArgument, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { agoText, shortDigest } from '../wording'

interface Listed {
  readonly changes: readonly (ProviderChange & { readonly renewed: boolean })[]
  readonly suspected: readonly SuspectedChange[]
}

/** `sluice provider ls|confirm|dismiss`: what providers return otherwise under an unchanged composite. */
export function providerCommand(program: Command, cli: Cli): void {
  const provider = program
    .command('provider')
    .description('models and fingerprints that changed under an unchanged composite')
  const list = provider
    .command('ls')
    .description('list changes, which void evidence, and suspected ones, which do not')
    .action(() => listChanges(cli))
  withExample(list, 'provider ls')
  for (const [verb, about] of [
    ['confirm', 'a suspected change is one: the evidence of its composite is void'],
    ['dismiss', 'a suspected change is none: what it returns is taken for known'],
  ] as const) {
    const command = provider
      .command(verb)
      .description(about)
      .argument('<change>', 'its id; six hex digits are enough', digestStartArgument)
      .action((start: string, { reason }: { reason: string }) => settle(cli, verb, start, reason))
    withReason(command)
    withExample(command, `provider ${verb} 4f0c9a2b1c3d --reason "the provider said so"`)
  }
}

const readChanges = ({ api }: Cli): Promise<Listed> => api.get<Listed>('/v1/provider-changes')

async function listChanges(cli: Cli): Promise<void> {
  const listed = await readChanges(cli)
  const { changes, suspected } = listed
  cli.print.data(listed)
  if (changes.length + suspected.length === 0) return cli.print.line('No provider returned anything new.')
  cli.print.table(
    ['change', 'composite', 'returns', 'instead of', 'state', 'since', 'by'],
    [
      ...suspected.map((one) => [
        shortDigest(one.id),
        shortDigest(one.composite),
        pairText(one.to),
        '',
        'suspected',
        agoText(one.firstSeenAt),
        `${one.principals} API keys, ${one.conversations} conversations`,
      ]),
      ...changes.map((one) => [
        shortDigest(one.id),
        `${one.judge ? 'judge ' : ''}${shortDigest(one.composite)}`,
        pairText(one.to),
        one.from.map(pairText).join(' or '),
        one.renewed ? 'tested again since' : 'evidence void',
        agoText(one.at),
        `${one.basis}: ${one.by}`,
      ]),
    ],
  )
}

async function settle(cli: Cli, verb: 'confirm' | 'dismiss', start: string, reason: string): Promise<void> {
  const found = (await readChanges(cli)).suspected.filter(({ id }) => id.startsWith(start))
  const [only] = found
  if (only === undefined || found.length > 1) {
    const text =
      found.length > 1
        ? `${start} begins ${found.length} suspected changes`
        : `No suspected change begins with ${start}`
    throw new SluiceError('not_found', `${text}; \`sluice provider ls\` lists them.`)
  }
  cli.print.data(await cli.api.post(`/v1/provider-changes/${only.id}/${verb}`, { reason }))
  cli.print.line(
    verb === 'confirm'
      ? `The evidence of ${shortDigest(only.composite)} is void until the suite is run again.`
      : `${pairText(only.to)} is known of ${shortDigest(only.composite)} from now on.`,
  )
}
