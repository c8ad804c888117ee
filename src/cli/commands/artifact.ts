import { type Command, InvalidArgumentError } from 'commander'
import { parseRef } from '../../domain/ref'
import { SluiceError } from '../../errors'
import { type Cli, withExample } from '../cli'

interface Item {
  readonly ref: string
  readonly kind: string
  readonly name: string
  readonly semver: string
  readonly digest: string
  readonly interface: string
  readonly author: string
  readonly createdAt: string
  readonly description: string
  readonly parents: readonly string[]
}

interface Page {
  readonly items: readonly Item[]
  readonly next?: string
}

interface ListOptions {
  readonly after?: string
  readonly limit: number
}

export const maxListed = 200

export function artifactCommand(program: Command, cli: Cli): void {
  const artifact = program.command('artifact').description('versions of prompts, engines, schemas and all other kinds')
  const list = artifact
    .command('ls')
    .description('list versions, all or those of a kind or an artifact')
    .argument('[artifact]', 'kind, or kind/name')
    .option('--after <ref>', 'continue after this version')
    .option('--limit <count>', 'how many', countArgument, 50)
    .action((which: string | undefined, options: ListOptions) => listVersions(cli, which, options))
  withExample(list, 'artifact ls prompt/csat', 'artifact ls engine --json')
  const show = artifact
    .command('show')
    .description('show one version with its content')
    .argument('<ref>', 'kind/name@semver or kind/name@sha256:…')
    .action((ref: string) => showVersion(cli, ref))
  withExample(show, 'artifact show prompt/csat@1.2.0')
}

/** Reads a number of items for a list. */
export function countArgument(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= maxListed) return count
  throw new InvalidArgumentError(`Give a number from 1 to ${maxListed}.`)
}

async function listVersions({ api, print }: Cli, which: string | undefined, options: ListOptions): Promise<void> {
  const [kind, name, ...rest] = which?.split('/') ?? []
  if (rest.length > 0) throw new SluiceError('malformed_ref', `${which} is no kind/name.`)
  const page = await api.get<Page>('/v1/artifacts', { kind, name, after: options.after, limit: options.limit })
  print.data(page)
  print.table(
    ['version', 'digest', 'created', 'by', 'why'],
    page.items.map((item) => [
      item.ref,
      item.digest.slice(0, 19),
      item.createdAt.slice(0, 16).replace('T', ' '),
      item.author,
      firstWords(item.description),
    ]),
  )
  if (page.next !== undefined) print.line(`More: --after ${page.next}`)
}

const wordsLength = 60
const firstWords = (text: string): string => {
  const line = text.trim().replace(/\s+/g, ' ')
  return line.length <= wordsLength ? line : `${line.slice(0, wordsLength - 1)}…`
}

async function showVersion({ api, print }: Cli, ref: string): Promise<void> {
  const { kind, name, version } = parseRef(ref)
  const found = await api.get<Item & { content: unknown; summary: string }>(
    `/v1/artifacts/${kind}/${encodeURIComponent(name)}/${encodeURIComponent(version)}`,
  )
  print.data(found)
  print.line(`${found.ref}   ${found.summary}`)
  print.line(`digest     ${found.digest}`)
  print.line(`interface  ${found.interface}`)
  print.line(`created    ${found.createdAt} by ${found.author}`)
  if (found.parents.length > 0) print.line(`parents    ${found.parents.join(', ')}`)
  print.line(`why        ${found.description.trim().replace(/\s+/g, ' ')}`)
  print.line()
  print.line(JSON.stringify(found.content, undefined, 2))
}
