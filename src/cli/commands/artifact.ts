import { type Command, InvalidArgumentError } from 'commander'
import { parseRef } from '../../domain/ref'
import type { Deployment, Standing } from '../../domain/standing'
import type { Promotion } from '../../domain/version'
import { SluiceError } from '../../errors'
import { textArgument } from '../arguments'
import { type Cli, withExample } from '../cli'
import { accuracyText, activeText, printDeployments, printStanding, scoreText, testedText } from '../standing-text'
import { countText, shortDigest } from '../wording'

interface Item extends Standing {
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
  readonly promotion?: Promotion
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
    .description('list versions, all or those of a kind or an artifact, with where they serve and how they scored')
    .argument('[artifact]', 'kind, or kind/name')
    .option('--after <ref>', 'continue after this version')
    .option('--limit <count>', 'how many', countArgument, 50)
    .action((which: string | undefined, options: ListOptions) => listVersions(cli, which, options))
  withExample(list, 'artifact ls prompt/csat', 'artifact ls engine --json')
  const show = artifact
    .command('show')
    .description('show one version with its content, where it serves, how it was tested and where it was deployed')
    .argument('<ref>', 'kind/name@semver or kind/name@sha256:…')
    .action((ref: string) => showVersion(cli, ref))
  withExample(show, 'artifact show prompt/csat@1.2.0')
  const promote = artifact
    .command('promote')
    .description('make the winning experiment a release: the same content, with the others on record')
    .argument(
      '<experiment...>',
      'a pre-release, or a version under a name of its own; one, since versions are not merged',
    )
    .requiredOption('--as <semver>', 'the release, such as 1.3.0, or name@1.3.0', textArgument)
    .requiredOption('--reason <text>', 'what it changes and why it won, for the record', textArgument)
    .option('--suite <ref>', 'the suite they are held against each other on', textArgument)
    .option('--over <ref...>', 'the others; default: every experiment of the artifact with a score on the suite')
    .action((from: readonly string[], options: PromoteOptions) => promoteExperiment(cli, from, options))
  withExample(
    promote,
    'artifact promote prompt/csat@1.3.0-exp.2 --as 1.3.0 --reason "fewer words, same accuracy"',
    'artifact promote prompt/csat-concise@0.4.0 --as csat@1.3.0 --reason "won" --over prompt/csat@1.3.0-exp.1',
  )
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
    ['version', 'digest', 'active', 'tested', 'score', 'created', 'by', 'why'],
    page.items.map((item) => [
      item.ref,
      item.digest.slice(0, 19),
      activeText(item),
      testedText(item),
      scoreText(item.scores[0]),
      item.createdAt.slice(0, 16).replace('T', ' '),
      item.author,
      firstWords(item.description),
    ]),
  )
  if (page.next !== undefined) print.line(`More: --after ${page.next}`)
}

const wordsLength = 40
const firstWords = (text: string): string => {
  const line = text.trim().replace(/\s+/g, ' ')
  return line.length <= wordsLength ? line : `${line.slice(0, wordsLength - 1)}…`
}

/** Of a version that is named in full. */
export function versionPath(ref: string): string {
  const { kind, name, version } = parseRef(ref)
  return `/v1/artifacts/${kind}/${encodeURIComponent(name)}/${encodeURIComponent(version)}`
}

async function showVersion(cli: Cli, ref: string): Promise<void> {
  const { api, print } = cli
  const path = versionPath(ref)
  const found = await api.get<Item & { content: unknown; summary: string }>(path)
  const { items: deployments } = await api.get<{ items: readonly Deployment[] }>(`${path}/deployments`)
  print.data({ ...found, deployments })
  print.line(`${found.ref}   ${found.summary}`)
  print.line(`digest     ${found.digest}`)
  print.line(`interface  ${found.interface}`)
  print.line(`created    ${found.createdAt} by ${found.author}`)
  if (found.parents.length > 0) print.line(`parents    ${found.parents.join(', ')}`)
  print.line(`why        ${found.description.trim().replace(/\s+/g, ' ')}`)
  if (found.promotion) print.line(`promoted   ${promotionText(found.promotion)}`)
  printStanding(cli, found)
  printDeployments(cli, deployments)
  print.line()
  print.line(JSON.stringify(found.content, undefined, 2))
}

interface PromoteOptions {
  readonly as: string
  readonly reason: string
  readonly suite?: string
  readonly over?: readonly string[]
}

async function promoteExperiment(cli: Cli, from: readonly string[], { as, reason, suite, over }: PromoteOptions) {
  const { api, print } = cli
  const order = { from, as, description: reason, ...(suite ? { suite } : {}), ...(over ? { over } : {}) }
  const found = await api.post<{ version: Item; created: boolean }>('/v1/promotions', order)
  print.data(found)
  const { ref, promotion } = found.version
  print.line(`${ref} ${found.created ? 'is registered' : 'stood already'}`)
  if (promotion === undefined) return
  print.table(
    ['', 'experiment', 'accuracy', 'verdict', 'evaluation'],
    [promotion.winner, ...promotion.losers].map((one, place) => [
      place === 0 ? 'won' : '',
      one.ref,
      accuracyText(one.accuracy),
      one.verdict,
      one.evaluationId,
    ]),
  )
}

const promotionText = ({ winner, losers, suite }: Promotion): string =>
  `from ${winner.ref} (${accuracyText(winner.accuracy)} on ${shortDigest(suite)}), over ${countText(losers.length, 'other')}`
