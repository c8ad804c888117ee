import type { Allocation } from '../domain/allocation'
import type { EvaluationVerdict } from '../domain/evaluation'
import { type ActiveIn, type Deployment, type Standing, type SuiteScore, standingOf } from '../domain/standing'
import type { Digest } from '../domain/version'
import type { CompositeDocument } from './composite-documents'
import type { CollectionSpec, Database } from './database'
import type { EvidenceEpochs } from './evidence-epochs'
import type { Providers } from './providers'
import type { VersionDocument } from './version-documents'

/** Where versions and composites serve and how they were tested: views of ledger and evidence, in a few queries each. */
export interface Standings {
  /** A version stands where a composite that rests on it does. By digest; one for each that is asked for. */
  ofVersions(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Standing>>
  ofComposites(ids: readonly Digest[]): Promise<ReadonlyMap<Digest, Standing>>
  /** The newest first. `after` is the cursor of the page before. */
  deployments(of: DeployedThing, page: { readonly after?: string; readonly limit: number }): Promise<DeploymentPage>
}

export type DeployedThing = { readonly version: Digest } | { readonly composite: Digest }

export interface DeploymentPage {
  readonly items: readonly Deployment[]
  readonly next?: string
}

/** The verdict in force of one key, as the evidence keeps it. */
interface VerdictHead {
  readonly verdict: EvaluationVerdict
  readonly candidate: Digest
  readonly incumbent?: Digest
  readonly epochs?: EvidenceEpochs
  readonly suite: Digest
  readonly evaluationId: string
  readonly at: number
  readonly accuracy?: SuiteScore['accuracy']
  /** All versions that the candidate rests on. */
  readonly versions: readonly Digest[]
}

export const standingIndexes: readonly CollectionSpec[] = [
  { name: 'verdict_heads', indexes: [{ key: { versions: 1, at: -1 } }, { key: { candidate: 1, at: -1 } }] },
  {
    name: 'allocations',
    indexes: [{ key: { incumbent: 1, at: -1 } }, { key: { candidate: 1, at: -1 } }, { key: { revokes: 1, at: -1 } }],
  },
]

const maxLanes = 10_000
/** Verdicts in force that are looked at for one page of versions, the newest first. */
const maxHeads = 20_000

export function createStandings(database: Database, providers: Providers): Standings {
  const headsOf = (filter: object) => scoresOf(database, providers, filter)
  return {
    async ofVersions(digests) {
      const served = await servedIn(database)
      const wanted = { _id: { $in: [...served.keys()] }, closure: { $in: [...digests] } }
      const serving = await composites(database)
        .find(wanted, { projection: { closure: 1 } })
        .toArray()
      const heads = await headsOf({ versions: { $in: [...digests] } })
      return eachOf(digests, {
        active: serving.flatMap(({ _id, closure }) =>
          closure.map((digest) => [digest, served.get(_id) ?? []] as const),
        ),
        scores: heads.flatMap(({ versions, score }) => versions.map((digest) => [digest, score] as const)),
      })
    },
    async ofComposites(ids) {
      const heads = await headsOf({ candidate: { $in: [...ids] } })
      return eachOf(ids, {
        active: [...(await servedIn(database))],
        scores: heads.map(({ score }) => [score.composite, score] as const),
      })
    },
    deployments: (of, page) => deploymentsOf(database, of, page),
  }
}

const composites = (database: Database) => database.collection<CompositeDocument>('composites')

interface Known {
  readonly active: readonly (readonly [Digest, readonly ActiveIn[]])[]
  readonly scores: readonly (readonly [Digest, SuiteScore])[]
}

function eachOf(digests: readonly Digest[], known: Known): ReadonlyMap<Digest, Standing> {
  const found = new Map<Digest, { active: ActiveIn[]; scores: SuiteScore[] }>(
    digests.map((digest) => [digest, { active: [], scores: [] }]),
  )
  for (const [digest, lanes] of known.active) found.get(digest)?.active.push(...lanes)
  for (const [digest, score] of known.scores) found.get(digest)?.scores.push(score)
  return new Map([...found].map(([digest, { active, scores }]) => [digest, standingOf(active, scores)]))
}

/** Composite → the lanes whose head serves it. */
async function servedIn(database: Database): Promise<ReadonlyMap<Digest, readonly ActiveIn[]>> {
  const lanes = await database
    .collection<{ environment: string; task: string; incumbent?: Digest; candidate?: Digest }>('lanes')
    .find({ disabled: { $ne: true } }, { projection: { _id: 0, environment: 1, task: 1, incumbent: 1, candidate: 1 } })
    .limit(maxLanes)
    .toArray()
  const served = new Map<Digest, ActiveIn[]>()
  for (const { environment, task, incumbent, candidate } of lanes) {
    const arms = [
      ['incumbent', incumbent],
      ['candidate', candidate],
    ] as const
    for (const [as, composite] of arms) {
      if (composite === undefined) continue
      served.set(composite, [...(served.get(composite) ?? []), { environment, task, as, composite }])
    }
  }
  return served
}

/** Evidence from before a provider changed is shown, and counts as untested. */
const isCurrent = ({ candidate, incumbent, epochs }: VerdictHead, now: ReadonlyMap<Digest, number>): boolean =>
  (epochs?.candidate ?? 0) === (now.get(candidate) ?? 0) &&
  (epochs?.incumbent ?? 0) === (incumbent === undefined ? 0 : (now.get(incumbent) ?? 0))

async function scoresOf(database: Database, providers: Providers, filter: object) {
  const heads = await database
    .collection<VerdictHead>('verdict_heads')
    .find(filter)
    .sort({ at: -1 })
    .limit(maxHeads)
    .toArray()
  const labels = await suiteLabels(database, [...new Set(heads.map(({ suite }) => suite))])
  const judged = new Set(heads.flatMap(({ candidate, incumbent = candidate }) => [candidate, incumbent]))
  const now = await providers.epochs([...judged])
  return heads.map((head) => {
    const { versions, verdict, candidate, suite, evaluationId, at, accuracy } = head
    const suiteRef = labels.get(suite)
    const score: SuiteScore = {
      suite,
      ...(suiteRef === undefined ? {} : { suiteRef }),
      tested: verdict === 'pass' && isCurrent(head, now),
      verdict,
      ...(accuracy === undefined ? {} : { accuracy }),
      composite: candidate,
      evaluationId,
      at,
    }
    return { versions, score }
  })
}

async function suiteLabels(database: Database, suites: readonly Digest[]): Promise<ReadonlyMap<Digest, string>> {
  if (suites.length === 0) return new Map()
  const found = await database
    .collection<VersionDocument>('versions')
    .find({ kind: 'suite', digest: { $in: [...suites] } }, { projection: { digest: 1 } })
    .sort({ createdAt: -1, _id: -1 })
    .toArray()
  return new Map(found.map(({ _id, digest }) => [digest, _id]))
}

const changing = ['step', 'settle', 'rollback'] as const

async function deploymentsOf(
  database: Database,
  of: DeployedThing,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<DeploymentPage> {
  const ids = 'composite' in of ? [of.composite] : await everDeployed(database, of.version)
  if (ids.length === 0) return { items: [] }
  const named = [{ incumbent: { $in: ids } }, { candidate: { $in: ids } }, { revokes: { $in: ids } }]
  const filter = { cause: { $in: [...changing] }, $or: named, ...beyond(after) }
  const entries = await database
    .collection<Allocation & { _id: string }>('allocations')
    .find(filter)
    .sort({ at: -1, _id: -1 })
    .limit(limit)
    .toArray()
  const before = await entriesBefore(database, entries)
  const wanted = new Set<Digest>(ids)
  const items = entries.flatMap((entry) => deploymentsIn(entry, before.get(entry._id), wanted))
  const last = entries.at(-1)
  const next = entries.length === limit && last !== undefined ? { next: `${last.at}:${last._id}` } : {}
  return { items: 'version' in of ? await withPreviousRefs(database, items, of.version) : items, ...next }
}

/** Of the composites that were ever named by a ledger, those that rest on the version. */
async function everDeployed(database: Database, version: Digest): Promise<readonly Digest[]> {
  const allocations = database.collection<Allocation & { _id: string }>('allocations')
  const named = [...(await allocations.distinct('incumbent')), ...(await allocations.distinct('candidate'))]
  const found = composites(database).find({ _id: { $in: named as Digest[] }, closure: version })
  return (await found.project<{ _id: Digest }>({ _id: 1 }).toArray()).map(({ _id }) => _id)
}

/** What comes after a cursor, `at:_id` of the last entry of the page before. */
function beyond(cursor: string | undefined): object {
  if (cursor === undefined) return {}
  const [, at, id] = /^(\d+):(.+)$/.exec(cursor) ?? []
  return { $and: [{ $or: [{ at: { $lt: Number(at) } }, { at: Number(at), _id: { $lt: id ?? '' } }] }] }
}

async function entriesBefore(database: Database, entries: readonly (Allocation & { _id: string })[]) {
  const idBefore = ({ environment, task, seq }: Allocation): string => `${environment}/${task}/${seq - 1}`
  const found = await database
    .collection<Allocation & { _id: string }>('allocations')
    .find({ _id: { $in: entries.map(idBefore) } })
    .toArray()
  const byId = new Map(found.map((entry) => [entry._id, entry]))
  return new Map(entries.map((entry) => [entry._id, byId.get(idBefore(entry))]))
}

/** Only what is another than in the entry before: a wider share of the same candidate is no new deployment. */
function deploymentsIn(
  entry: Allocation,
  before: Allocation | undefined,
  wanted: ReadonlySet<Digest>,
): readonly Deployment[] {
  const { environment, task, seq, at, by, reason, releaseId } = entry
  const arms = [
    ['incumbent', entry.incumbent, before?.incumbent],
    ['candidate', entry.candidate, before?.candidate],
    ...(entry.revokes ?? []).map((composite) => ['revoked', composite, undefined] as const),
  ] as const
  const fresh = arms.filter(([, now, old]) => now !== undefined && wanted.has(now) && now !== old)
  return fresh.map(([as, composite]) => ({
    ...{ environment, task, seq, at, by, as },
    cause: entry.cause as Deployment['cause'],
    composite: composite as Digest,
    ...(before?.incumbent === undefined ? {} : { previous: before.incumbent }),
    ...(releaseId === undefined ? {} : { releaseId }),
    ...(reason === undefined ? {} : { reason }),
  }))
}

/** The label that the role of the version had in the incumbent before. */
async function withPreviousRefs(
  database: Database,
  items: readonly Deployment[],
  version: Digest,
): Promise<readonly Deployment[]> {
  const ids = items.flatMap(({ composite, previous }) => [composite, ...(previous === undefined ? [] : [previous])])
  const found = await composites(database)
    .find({ _id: { $in: [...new Set(ids)] } }, { projection: { pins: 1 } })
    .toArray()
  const pins = new Map(found.map((document) => [document._id, document.pins]))
  return items.map((item) => {
    const role = pins.get(item.composite)?.find(({ digest }) => digest === version)?.role
    const old = item.previous === undefined ? undefined : pins.get(item.previous)?.find((pin) => pin.role === role)
    return old === undefined || role === undefined ? item : { ...item, previousRef: old.ref }
  })
}
