import type { CollectionSpec, Database } from './database'

interface AttendanceDocument {
  readonly _id: string
  /** Of the row of signs without a break that `at` ends. */
  readonly since: Date
  readonly at: Date
}

/** Servers give a sign this often. */
export const attendEveryMs = 5_000
/** Longer between two signs: no server was there, or the database took no writes. */
const breakMs = 3 * attendEveryMs
/**
 * Applications try again every ten seconds at most, and give each try ten: in so long a row of signs every one that lives was
 * heard with all it held.
 */
export const heardWithinMs = 30_000

export const attendanceCollections: readonly CollectionSpec[] = [{ name: 'attendance' }]

const id = 'servers'

/**
 * How long there have been servers to report to, and a database that takes what they are told. What applications did not tell
 * meanwhile is no word of theirs: their silence, and evidence that is missing, count from `heardWithinMs` of attendance on.
 */
export class Attendance {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** This server is there; every server says so every `attendEveryMs`. */
  async sign(): Promise<void> {
    const isInRow = { $lte: [{ $subtract: ['$$NOW', '$at'] }, breakMs] }
    // Before the first sign ever nobody was away.
    const first = { $eq: [{ $type: '$at' }, 'missing'] }
    const since = { $cond: [first, new Date(0), { $cond: [isInRow, '$since', '$$NOW'] }] }
    await this.signs().updateOne({ _id: id }, [{ $set: { since, at: '$$NOW' } }], { upsert: true })
  }

  /** Without a break until now, by the store's clock. Without bound where no server ever gave a sign. */
  async ms(): Promise<number> {
    const age = (field: string) => ({ $subtract: ['$$NOW', field] })
    const ages = { _id: 0, sinceMs: age('$since'), lastMs: age('$at') }
    const [row] = await this.signs()
      .aggregate<{ sinceMs: number; lastMs: number }>([{ $match: { _id: id } }, { $project: ages }])
      .toArray()
    if (row === undefined) return Number.POSITIVE_INFINITY
    return row.lastMs > breakMs ? 0 : Math.max(0, row.sinceMs)
  }

  private signs() {
    return this.database.collection<AttendanceDocument>('attendance')
  }
}
