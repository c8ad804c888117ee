import type { Database } from '../../src/store/database'

const dayMs = 24 * 3_600_000

/** Makes everything that retention has a clock for so many days older than it is. */
export async function agedBy(database: Database, days: number): Promise<void> {
  const earlier = (field: string) => ({
    $cond: [{ $gt: [`$${field}`, null] }, { $subtract: [`$${field}`, days * dayMs] }, '$$REMOVE'],
  })
  const clocks = {
    versions: ['createdAt', 'usedAt'],
    composites: ['createdAt', 'usedAt'],
    evaluations: ['updatedAt'],
    row_sets: ['at'],
    row_pages: ['at'],
    rows: ['at'],
  }
  for (const [name, fields] of Object.entries(clocks)) {
    const change = Object.fromEntries(fields.map((field) => [field, earlier(field)]))
    await database.collection(name).updateMany({}, [{ $set: change }])
  }
}
