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

  /** Keeps an answer. The history comes first: what a judgement saw is always in it. */
  async add(releaseId: string, probe: string, answer: ProbeAnswer): Promise<void> {
    const at = new Date(await this.database.now())
    await this.readings().insertOne({ releaseId, probe, at, answer })
    const change =
      'value' in answer
        ? { $set: { at, good: { value: answer.value, at } }, $unset: { fault: '' } as const }
        : { $set: { at, fault: { reason: answer.fault, text: answer.text } } }
    const _id = stateId(releaseId, probe)
    await this.states().updateOne({ _id }, { ...change, $setOnInsert: { releaseId, probe } }, { upsert: true })
  }

  /** What is known of these probes now, in their order; an empty reading for one that was never asked. */
  async of(releaseId: string, probes: readonly string[]): Promise<readonly ProbeReading[]> {
    if (probes.length === 0) return []
    const ids = probes.map((probe) => stateId(releaseId, probe))
    const ageMs = { $subtract: ['$$NOW', '$good.at'] }
    const pipeline = [{ $match: { _id: { $in: ids } } }, { $project: { good: 1, fault: 1, ageMs } }]
    const rows = await this.states()
      .aggregate<Pick<StateDocument, '_id' | 'good' | 'fault'> & { ageMs: number | null }>(pipeline)
      .toArray()
    return ids.map((id) => {
      const { good, fault, ageMs: age } = rows.find(({ _id }) => _id === id) ?? {}
      return {
        ...(good === undefined ? {} : { value: good.value, ageMs: Math.max(0, age ?? 0) }),
        ...(fault === undefined ? {} : { fault }),
      }
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

const maxHistory = 100_000
const stateId = (releaseId: string, probe: string): string => `${releaseId}/${probe}`
