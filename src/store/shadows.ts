import type { ClientSession, Collection } from 'mongodb'
import type { Policy } from '../domain/policy'
import { rolloutEnvironment } from '../domain/rollout'
import { type ShadowAnswerOfServer, type ShadowPair, type ShadowView, shadowBounds } from '../domain/shadow'
import type { ShadowUnit } from '../domain/shadow-judgement'
import { SluiceError } from '../errors'
import type { ReleaseFile } from './assessor'
import type { CollectionSpec, Database } from './database'
import type { DeployGate } from './ledger-requests'

/** A candidate that answers copies in a lane. It is no allocation: resolution, vectors and ledger never see it. */
export interface ShadowDocument extends ShadowView {
  /** `environment/task`: a lane has one release, and so one shadow. */
  readonly _id: string
  readonly environment: string
  readonly task: string
  readonly usdPerHour: number
  readonly at: number
}

interface PairDocument extends Omit<ShadowPair, 'at'> {
  readonly _id: string
  readonly environment: string
  readonly at: number
  readonly principal: string
  /** When the store took it, for the sum of the last hour and for its end. */
  readonly takenAt: Date
}

export const shadowCollections: readonly CollectionSpec[] = [
  { name: 'shadows', indexes: [{ key: { environment: 1 } }, { key: { releaseId: 1 } }] },
  {
    name: 'shadowPairs',
    indexes: [
      { key: { releaseId: 1, takenAt: 1 } },
      // The longest deadline of a release.
      { key: { takenAt: 1 }, expireAfterSeconds: 90 * 24 * 3_600 },
    ],
  },
]

const hourMs = 3_600_000
const holdMs = 30_000
const maxShown = 5

/** In the transaction that takes a release back or closes it: nothing answers copies for it any more. */
export async function endShadow(database: Database, releaseId: string, session?: ClientSession): Promise<void> {
  await database.collection<ShadowDocument>('shadows').deleteMany({ releaseId }, session ? { session } : {})
}

/** Shadows of lanes and what was told of them. */
export class Shadows {
  private readonly database: Database
  private readonly gate: DeployGate

  constructor(database: Database, gate: DeployGate) {
    this.database = database
    this.gate = gate
  }

  /**
   * The shadow of the release, begun now unless it is open. Asked in a transaction that also writes the release's record, so that
   * a withdrawal of the same moment comes second and ends it. Throws `undeployable` as an append does.
   */
  async open({ record, plan, policy }: ReleaseFile, session: ClientSession): Promise<ShadowDocument> {
    const { shadow, outputs } = policy
    const incumbent = plan.lanes.at(-1)?.incumbent
    if (shadow === undefined || incumbent === undefined) {
      throw new SluiceError('invalid_request', `The release ${record.id} has no shadow.`)
    }
    const environment = rolloutEnvironment(policy)
    const _id = `${environment}/${plan.task}`
    const known = await this.shadows().findOne({ _id, releaseId: record.id }, { session })
    if (known !== null) return known
    await this.gate.holdContents(plan.candidate, session)
    const question = { task: plan.task, candidate: plan.candidate, incumbent, policy: plan.policy }
    await this.gate.assertDeployable(question, session)
    const at = await this.database.now(session)
    const document: ShadowDocument = {
      _id,
      environment,
      task: plan.task,
      releaseId: record.id,
      candidate: plan.candidate,
      incumbent,
      basisPoints: shadow.basisPoints,
      usdPerHour: shadow.usdPerHour,
      until: at + shadow.bakeMs + shadow.deadlineMs,
      at,
      ...(outputs === undefined ? {} : { outputs: fieldsOf(outputs) }),
    }
    await this.shadows().replaceOne({ _id }, document, { session, upsert: true })
    return document
  }

  end(releaseId: string, session?: ClientSession): Promise<void> {
    return endShadow(this.database, releaseId, session)
  }

  async find(releaseId: string): Promise<ShadowDocument | undefined> {
    return (await this.shadows().findOne({ releaseId })) ?? undefined
  }

  /** Takes pairs of open shadows; a repeated delivery counts once. What belongs to none, or finds no room, is left out. */
  async take(environment: string, pairs: readonly ShadowPair[], principal: string): Promise<ShadowAnswerOfServer> {
    const answer = { taken: 0, holdMs: 0 }
    for (const releaseId of new Set(pairs.map((pair) => pair.releaseId))) {
      const own = pairs.filter((pair) => pair.releaseId === releaseId)
      const shadow = await this.shadows().findOne({ releaseId, environment })
      if (shadow === null) continue
      const room = shadowBounds.pairs - (await this.countPairs(releaseId))
      const fit = own.filter(({ task }) => task === shadow.task).slice(0, Math.max(0, room))
      answer.taken += await this.insert(shadow, fit, principal)
      const isSpent = (await this.spent(releaseId, hourMs)) >= shadow.usdPerHour
      if (isSpent || room <= own.length) answer.holdMs = holdMs
    }
    return answer
  }

  /** USD that the candidate's answers cost; `lastMs`: of late. */
  async spent(releaseId: string, lastMs?: number): Promise<number> {
    const since = lastMs === undefined ? {} : { takenAt: { $gte: new Date((await this.database.now()) - lastMs) } }
    const pipeline = [
      { $match: { releaseId, ...since } },
      { $group: { _id: null, usd: { $sum: '$candidate.costUsd' } } },
    ]
    const [sum] = await this.pairs().aggregate<{ usd: number }>(pipeline).toArray()
    return sum?.usd ?? 0
  }

  /** By conversation, what both composites did. */
  async units(releaseId: string): Promise<readonly ShadowUnit[]> {
    const pipeline = [
      { $match: { releaseId } },
      { $sort: { takenAt: 1, _id: 1 } },
      { $limit: shadowBounds.pairs },
      {
        $group: {
          _id: '$unit',
          pairs: { $sum: 1 },
          ...sumsOf('candidate'),
          ...sumsOf('incumbent'),
          outputs: { $first: '$outputs' },
        },
      },
    ]
    const rows = await this.pairs().aggregate<Record<string, unknown>>(pipeline).toArray()
    return rows.map((row) => ({
      pairs: Number(row.pairs),
      candidate: sumsIn(row, 'candidate'),
      incumbent: sumsIn(row, 'incumbent'),
      ...(row.outputs ? { outputs: row.outputs as NonNullable<ShadowUnit['outputs']> } : {}),
    }))
  }

  /** The newest requests whose answers showed other outputs. */
  async differing(releaseId: string): Promise<readonly string[]> {
    const rows = await this.pairs()
      .find({
        releaseId,
        $expr: { $anyElementTrue: [{ $map: { input: { $ifNull: ['$outputs', []] }, in: differs } }] },
      })
      .sort({ takenAt: -1 })
      .limit(maxShown)
      .toArray()
    return rows.map(({ requestId }) => requestId)
  }

  private async insert(shadow: ShadowDocument, pairs: readonly ShadowPair[], principal: string): Promise<number> {
    if (pairs.length === 0) return 0
    const takenAt = new Date(await this.database.now())
    const { environment } = shadow
    const writes = pairs.map((pair) => {
      const _id = `${pair.releaseId}/${pair.requestId}`
      const document: PairDocument = { ...pair, _id, environment, principal, takenAt }
      return { updateOne: { filter: { _id }, update: { $setOnInsert: document }, upsert: true } }
    })
    return (await this.pairs().bulkWrite(writes, { ordered: false })).upsertedCount
  }

  private countPairs(releaseId: string): Promise<number> {
    return this.pairs().countDocuments({ releaseId }, { limit: shadowBounds.pairs })
  }

  private shadows(): Collection<ShadowDocument> {
    return this.database.collection<ShadowDocument>('shadows')
  }

  private pairs(): Collection<PairDocument> {
    return this.database.collection<PairDocument>('shadowPairs')
  }
}

const fieldsOf = (outputs: NonNullable<Policy['outputs']>): NonNullable<ShadowView['outputs']> =>
  outputs.map(({ field, classes }) => ({ field, ...(classes === undefined ? {} : { classes }) }))

/** Both answers showed the field, and not alike. */
const differs = { $and: [{ $isArray: '$$this' }, { $ne: [{ $first: '$$this' }, { $last: '$$this' }] }] }

type Side = 'candidate' | 'incumbent'
const isOutcome = (side: Side, outcome: string) => ({ $sum: { $cond: [{ $eq: [`$${side}.outcome`, outcome] }, 1, 0] } })

const sumsOf = (side: Side) => ({
  [`${side}Errors`]: isOutcome(side, 'error'),
  [`${side}SchemaFailures`]: isOutcome(side, 'schema_failure'),
  [`${side}CostUsd`]: { $sum: `$${side}.costUsd` },
  [`${side}UncachedCostUsd`]: { $sum: `$${side}.uncachedCostUsd` },
  [`${side}LatencyMs`]: { $sum: `$${side}.latencyMs` },
})

const sumsIn = (row: Readonly<Record<string, unknown>>, side: Side): ShadowUnit[Side] => ({
  errors: Number(row[`${side}Errors`]),
  schemaFailures: Number(row[`${side}SchemaFailures`]),
  costUsd: Number(row[`${side}CostUsd`]),
  uncachedCostUsd: Number(row[`${side}UncachedCostUsd`]),
  latencyMs: Number(row[`${side}LatencyMs`]),
})
