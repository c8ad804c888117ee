import { isExperiment, isPreRelease } from '../domain/promotion'
import { isLabel, parseRef } from '../domain/ref'
import type { Registered } from '../domain/registration'
import { roleRef } from '../domain/task'
import type { Digest, Promotion, ScoredExperiment, Version } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from './catalog'
import type { Database } from './database'
import type { Standings } from './standing'
import type { VersionDocument } from './version-documents'

export interface PromotionRequest {
  /** References of experiments: exactly one wins. */
  readonly from: readonly string[]
  /** The release: a semver, or name@semver where the experiment has a name of its own. */
  readonly as: string
  /** What it changes and why it won. */
  readonly description: string
  /** Absent: the suite of the winner's newest passing verdict. */
  readonly suite?: string
  /** Others that were considered; absent: every experiment of the same artifact with a score on the suite. */
  readonly over?: readonly string[]
  readonly by: string
}

export interface Promotions {
  /**
   * Registers the winning experiment's content under a release label, with the experiment as parent and a record of the
   * others. Throws merge_refused for two winners, promotion_refused where the winner is no tested experiment,
   * suite_mismatch for one that has no score on the suite, and what a registration throws.
   */
  promote(request: PromotionRequest): Promise<Registered>
}

export const maxConsidered = 100

interface Deps {
  readonly database: Database
  readonly catalog: Catalog
  readonly standings: Standings
}

export function createPromotions(deps: Deps): Promotions {
  return {
    async promote(request) {
      const winner = await deps.catalog.version(onlyOne(request.from))
      const release = releaseOf(request.as, winner)
      const suite = request.suite === undefined ? undefined : await suiteOf(deps.catalog, request.suite)
      const scored = await winningScore(deps, winner, suite)
      const over = await considered(deps, winner, release, request.over)
      const losers = await scoresOf(deps, over, scored.suite, request.over !== undefined)
      const promotion: Promotion = { suite: scored.suite, winner: scored.winner, losers }
      const { kind, content, provenance, digest } = winner
      return deps.catalog.register({
        ...{ kind, ...release, content, promotion },
        author: request.by,
        description: request.description,
        parents: [digest],
        ...(provenance === undefined ? {} : { provenance }),
      })
    },
  }
}

/** Contents are instructions to a model: a text that two people wrote halves of was tested by neither. */
function onlyOne(from: readonly string[]): string {
  const [only, ...rest] = from
  if (only === undefined) throw new SluiceError('invalid_request', 'Name the experiment that is promoted.')
  if (rest.length === 0) return only
  const text =
    `${from.join(' and ')} are not merged: each was tested as a whole, and no text made of both was. ` +
    'Promote the one that scored best, or write a new version that names both as parents and run the suite on it.'
  throw new SluiceError('merge_refused', text, { from })
}

function releaseOf(as: string, winner: Version): { readonly name: string; readonly semver: string } {
  const { name, version: semver } = isLabel(as) ? { name: winner.name, version: as } : parseRef(as, winner.kind)
  if (!isLabel(semver) || isPreRelease(semver)) {
    throw refused(`${as} is no release label: promote as a semver without a pre-release, such as 1.3.0`)
  }
  if (!isExperiment(winner, { name })) {
    const text = `${winner.kind}/${winner.name}@${winner.semver} is a release and no experiment`
    throw refused(`${text}: an experiment is a pre-release, or has a name of its own`)
  }
  return { name, semver }
}

async function suiteOf(catalog: Catalog, text: string): Promise<Digest> {
  return (await catalog.version(roleRef('suite', text))).digest
}

async function winningScore({ standings }: Deps, winner: Version, suite: Digest | undefined) {
  const scores = (await standings.ofVersions([winner.digest])).get(winner.digest)?.scores ?? []
  const score = scores.find((one) => one.tested && (suite === undefined || one.suite === suite))
  const ref = `${winner.kind}/${winner.name}@${winner.semver}`
  if (score !== undefined) return { suite: score.suite, winner: scoredAs(ref, winner.digest, score) }
  const where = suite === undefined ? 'any suite' : suite
  throw refused(`no verdict in force on ${where} passes a composite with ${ref}: \`sluice eval run\` it first`)
}

/** Label and digest of the others. */
async function considered(
  { database, catalog }: Deps,
  winner: Version,
  release: { readonly name: string },
  over: readonly string[] | undefined,
): Promise<readonly { readonly ref: string; readonly digest: Digest }[]> {
  if (over !== undefined) {
    const named = await Promise.all(over.map((ref) => catalog.version(ref)))
    const foreign = named.find(({ kind }) => kind !== winner.kind)
    if (foreign) throw new SluiceError('invalid_request', `${foreign.kind}/${foreign.name} is no ${winner.kind}.`)
    return named.map(({ kind, name, semver, digest }) => ({ ref: `${kind}/${name}@${semver}`, digest }))
  }
  const { kind, name } = winner
  const labels = await database
    .collection<VersionDocument>('versions')
    .find({ kind, name }, { projection: { name: 1, semver: 1, digest: 1 } })
    .sort({ position: -1 })
    .toArray()
  return labels
    .filter((label) => isExperiment(label, release) && label.digest !== winner.digest)
    .map(({ _id, digest }) => ({ ref: _id, digest }))
}

/** Scores on the one suite, the best first. Those named by a person have to have one. */
async function scoresOf(
  { standings }: Deps,
  others: readonly { readonly ref: string; readonly digest: Digest }[],
  suite: Digest,
  isNamed: boolean,
): Promise<readonly ScoredExperiment[]> {
  const known = await standings.ofVersions(others.map(({ digest }) => digest))
  const scored: ScoredExperiment[] = []
  for (const { ref, digest } of others) {
    const score = known.get(digest)?.scores.find((one) => one.suite === suite)
    if (score !== undefined) scored.push(scoredAs(ref, digest, score))
    else if (isNamed) throw unscored(ref, suite)
  }
  return scored.sort((a, b) => (b.accuracy ?? 0) - (a.accuracy ?? 0)).slice(0, maxConsidered)
}

const unscored = (ref: string, suite: Digest): SluiceError =>
  new SluiceError('suite_mismatch', `${ref} has no score on ${suite}, so it cannot be held against the winner.`, {
    ref,
    suite,
  })

function scoredAs(
  ref: string,
  digest: Digest,
  {
    composite,
    evaluationId,
    verdict,
    accuracy,
  }: Omit<ScoredExperiment, 'ref' | 'digest' | 'accuracy'> & {
    readonly accuracy?: { readonly mean: number }
  },
): ScoredExperiment {
  const shown = accuracy === undefined ? {} : { accuracy: accuracy.mean }
  return { ref, digest, composite, evaluationId, verdict, ...shown }
}

const refused = (text: string): SluiceError => new SluiceError('promotion_refused', `Not promoted: ${text}.`)
