import type { ProbeAnswer, ProbeFault, ProbeReading } from '../domain/probe'
import type { CollectionSpec, Database } from './database'

/** One answer as it came, for whoever runs the release through another policy later. */
interface ReadingDocument {
  readonly releaseId: string
  readonly probe: string
  readonly at: Date
  readonly answer: ProbeAnswer
}

/** What is known of one probe of one release: the only document that a tick reads. */
interface StateDocument {
  readonly _id: string
  readonly releaseId: string
  readonly probe: string
  /** When it was written last, whatever came. */
  readonly at: Date
  /** Of the first answer in the row without a gap that `at` ends. Absent: before this was kept. */
  readonly since?: Date
  readonly good?: { readonly value: number; readonly at: Date }
  /** Absent where the newest answer was a number. */
  readonly fault?: { readonly reason: ProbeFault; readonly text: string }
}

const retentionSeconds = 180 * 24 * 3_600

export const probeReadingCollections: readonly CollectionSpec[] = [
  {
    name: 'probeReadings',
    indexes: [{ key: { releaseId: 1, probe: 1, at: 1 } }, { key: { at: 1 }, expireAfterSeconds: retentionSeconds }],
  },
  { name: 'probeStates', indexes: [{ key: { at: 1 }, expireAfterSeconds: retentionSeconds }] },
]

/** What providers of metrics answered while a release was watched. Judgements read it; nobody asks while judging. */
export class ProbeReadings {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** Keeps an answer. The history comes first: what a judgement saw is always in it. `gapMs`: longer since the last one, nobody asked. */
  async add(releaseId: string, probe: string, answer: ProbeAnswer, gapMs: number): Promise<void> {
    const at = new Date(await this.database.now())
    await this.readings().insertOne({ releaseId, probe, at, answer })
    const isInRow = { $lte: [{ $subtract: [at, { $ifNull: ['$at', new Date(0)] }] }, gapMs] }
    const since = { $cond: [isInRow, { $ifNull: ['$since', at] }, at] }
    const told =
      'value' in answer
        ? [{ $set: { good: { value: answer.value, at } } }, { $unset: 'fault' }]
        : // A text of somebody else's: never read as an expression.
          [{ $set: { fault: { $literal: { reason: answer.fault, text: answer.text } } } }]
    const known = { releaseId: { $literal: releaseId }, probe: { $literal: probe }, since, at }
    await this.states().updateOne({ _id: stateId(releaseId, probe) }, [{ $set: known }, ...told], { upsert: true })
  }

  /** What is known of these probes now, in their order; an empty reading for one that was never asked. */
  async of(releaseId: string, probes: readonly string[]): Promise<readonly ProbeReading[]> {
    if (probes.length === 0) return []
    const ids = probes.map((probe) => stateId(releaseId, probe))
    const age = (field: string) => ({ $subtract: ['$$NOW', field] })
    const ages = { ageMs: age('$good.at'), askedForMs: age('$since'), newestMs: age('$at') }
    const pipeline = [{ $match: { _id: { $in: ids } } }, { $project: { good: 1, fault: 1, ...ages } }]
    const rows = await this.states().aggregate<AgedState>(pipeline).toArray()
    return ids.map((id) => {
      const row = rows.find(({ _id }) => _id === id)
      return row === undefined ? {} : readingOf(row)
    })
  }

  /** Every answer of a release's probe, the oldest first. */
  async history(releaseId: string, probe: string, limit = maxHistory): Promise<readonly ReadingDocument[]> {
    const rows = this.readings().find({ releaseId, probe }, { projection: { _id: 0 } })
    return rows.sort({ at: 1 }).limit(Math.min(limit, maxHistory)).toArray()
  }

  private readings() {
    return this.database.collection<ReadingDocument>('probeReadings')
  }
  private states() {
    return this.database.collection<StateDocument>('probeStates')
  }
}

type AgedState = Pick<StateDocument, '_id' | 'good' | 'fault'> &
  Readonly<Record<'ageMs' | 'askedForMs' | 'newestMs', number | null>>

function readingOf({ good, fault, ageMs, askedForMs, newestMs }: AgedState): ProbeReading {
  // One node's clock may be a little behind the one that wrote.
  const ms = (age: number | null): number => Math.max(0, age ?? 0)
  return {
    ...(good === undefined ? {} : { value: good.value, ageMs: ms(ageMs) }),
    ...(fault === undefined ? {} : { fault }),
    ...(askedForMs === null ? {} : { askedForMs: ms(askedForMs) }),
    newestMs: ms(newestMs),
  }
}

const maxHistory = 100_000
const stateId = (releaseId: string, probe: string): string => `${releaseId}/${probe}`
