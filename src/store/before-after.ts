import { type Document, MongoServerError } from 'mongodb'
import type { Allocation } from '../domain/allocation'
import {
  type BeforeAfterLook,
  type BeforeAfterMetric,
  beforeAfterEvents,
  dueLook,
  maxBeforeAfterLooks,
  minimumConversations,
} from '../domain/before-after'
import type { Digest } from '../domain/version'
import { emptyPairs, type PairedMoments } from '../stats/paired-difference'
import type { CollectionSpec, Database } from './database'

/** How far back of the exposure a conversation counts as before it, in time and in entries of the ledger. */
const beforeMs = 7 * 24 * 3_600_000
const maxBeforeEntries = 50
/** Entries of the release that count as after. */
const maxAfterEntries = 200
/** A tick waits for a look no longer than this. */
const countingMs = 3_000
const retentionSeconds = 180 * 24 * 3_600

export const beforeAfterCollections: readonly CollectionSpec[] = [
  {
    name: 'beforeAfterLooks',
    indexes: [
      { key: { releaseId: 1, look: 1 }, unique: true },
      { key: { at: 1 }, expireAfterSeconds: retentionSeconds },
    ],
  },
]

export interface BeforeAfterQuestion {
  readonly releaseId: string
  readonly candidate: Digest
  readonly incumbent: Digest
  readonly metric: BeforeAfterMetric
  /** Of the release in the environment where it rolls out, in the order of the ledger. */
  readonly entries: readonly Allocation[]
}

interface LookDocument extends BeforeAfterLook {
  readonly _id: string
  readonly releaseId: string
  readonly at: Date
}

/** Where the candidate alone is served, and what came before it. */
interface Exposure {
  readonly place: { readonly environment: string; readonly task: string }
  readonly from: Allocation
  readonly seqs: readonly number[]
  readonly whole: readonly { readonly seq: number; readonly slice: number }[]
  readonly exposedAt: number
}

/**
 * Rates by tenant before and after an exposure without control. Counted a few times in the life of a release and kept: a
 * judgement that is repeated sees the same looks, and a test that is repeated on newer counts would be one more look.
 */
export class BeforeAfter {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** Every look so far; one that is due is taken now. Undefined where no tenants have the candidate alone. */
  async looks(question: BeforeAfterQuestion): Promise<readonly BeforeAfterLook[] | undefined> {
    const exposure = exposureOf(question)
    if (exposure === undefined) return undefined
    const [known, now] = await Promise.all([this.known(question.releaseId), this.database.now()])
    const due = dueLook(now - exposure.exposedAt)
    if (due === undefined || known.some(({ look }) => look >= due)) return known
    const found = await this.count(question, exposure)
    const { releaseId } = question
    const row = { ...found, _id: `${releaseId}/${due}`, releaseId, look: due, at: new Date(now) }
    // Two that judge at once count alike, but not the same: what the first one kept holds for both.
    await this.rows().updateOne({ _id: row._id }, { $setOnInsert: row }, { upsert: true })
    return this.known(releaseId)
  }

  private async known(releaseId: string): Promise<readonly BeforeAfterLook[]> {
    const rows = this.rows().find({ releaseId }, { projection: { _id: 0, releaseId: 0, at: 0 } })
    return rows.sort({ look: 1 }).limit(maxBeforeAfterLooks).toArray()
  }

  private async count(question: BeforeAfterQuestion, exposure: Exposure): Promise<Omit<BeforeAfterLook, 'look'>> {
    try {
      const rows = await this.database
        .collection('units')
        .aggregate<PairedMoments & { _id: boolean }>(pipelineOf(question, exposure), { maxTimeMS: countingMs })
        .toArray()
      const group = (exposed: boolean): PairedMoments => {
        const { _id, ...pairs } = rows.find((row) => row._id === exposed) ?? { _id: exposed, ...emptyPairs }
        return pairs
      }
      return { exposed: group(true), control: group(false) }
    } catch (error) {
      if (!(error instanceof MongoServerError && error.codeName === 'MaxTimeMSExpired')) throw error
      return { exposed: emptyPairs, control: emptyPairs, cut: true }
    }
  }

  private rows() {
    return this.database.collection<LookDocument>('beforeAfterLooks')
  }
}

function exposureOf({ entries, candidate }: BeforeAfterQuestion): Exposure | undefined {
  const exposing = entries
    .filter((entry) => entry.candidate === candidate && !entry.disabled)
    .filter(({ exposure }) => exposure.some(({ basisPoints }) => basisPoints > 0))
    .slice(0, maxAfterEntries)
  const whole = exposing.flatMap(({ seq, exposure }) =>
    exposure.flatMap(({ basisPoints }, slice) => (basisPoints === 10_000 ? [{ seq, slice }] : [])),
  )
  const [from] = exposing
  const first = exposing.find(({ seq }) => seq === whole[0]?.seq)
  if (from === undefined || first === undefined) return undefined
  const { environment, task } = from
  return { place: { environment, task }, from, seqs: exposing.map(({ seq }) => seq), whole, exposedAt: first.at }
}

/**
 * One pair of rates by tenant, and of the pairs the sums. Exposed: every conversation after is of a slice that has the
 * candidate alone. Control: none has the candidate. Who is in between, or has too few conversations, is left out.
 */
function pipelineOf({ candidate, incumbent, metric }: BeforeAfterQuestion, exposure: Exposure): Document[] {
  const { place, from, seqs, whole, exposedAt } = exposure
  const sumIf = (...conditions: readonly Document[]) => ({ $sum: { $cond: [{ $and: conditions }, 1, 0] } })
  const before = { $lt: ['$seq', from.seq] }
  const after = { $gte: ['$seq', from.seq] }
  const event = { $in: [beforeAfterEvents[metric], '$state.events'] }
  const served = { $eq: ['$composite', candidate] }
  const rate = (events: string, units: string) => ({ $divide: [events, units] })
  return [
    { $match: { ...place, seq: { $gte: from.seq - maxBeforeEntries, $lte: seqs.at(-1) }, 'state.gap': false } },
    {
      $match: {
        $or: [
          { seq: { $lt: from.seq }, composite: incumbent, touchedAt: { $gte: new Date(exposedAt - beforeMs) } },
          { seq: { $in: seqs } },
        ],
      },
    },
    {
      $group: {
        _id: '$state.tenant',
        before: sumIf(before),
        beforeEvents: sumIf(before, event),
        after: sumIf(after),
        afterEvents: sumIf(after, event),
        whole: sumIf(after, served, { $in: [{ seq: '$seq', slice: '$slice' }, whole] }),
        served: sumIf(after, served),
      },
    },
    {
      $match: {
        before: { $gte: minimumConversations },
        after: { $gte: minimumConversations },
        $expr: { $or: [{ $eq: ['$whole', '$after'] }, { $eq: ['$served', 0] }] },
      },
    },
    {
      $project: {
        exposed: { $gt: ['$served', 0] },
        a: rate('$beforeEvents', '$before'),
        b: rate('$afterEvents', '$after'),
      },
    },
    {
      $group: {
        _id: '$exposed',
        n: { $sum: 1 },
        sumA: { $sum: '$a' },
        sumB: { $sum: '$b' },
        squaresA: { $sum: { $multiply: ['$a', '$a'] } },
        squaresB: { $sum: { $multiply: ['$b', '$b'] } },
        products: { $sum: { $multiply: ['$a', '$b'] } },
      },
    },
  ]
}
