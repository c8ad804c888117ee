import type { Database } from '../../src/store/database'

/** Kills every change stream on this database, as MongoDB does where it has to; the answer says how many. */
export async function killChangeStreams({ client, db }: Database): Promise<number> {
  const cursors = await client
    .db('admin')
    .aggregate(
      [
        { $currentOp: { allUsers: true, idleCursors: true } },
        { $match: { 'cursor.tailable': true, ns: { $regex: `^${db.databaseName}\\.` } } },
      ],
      { readConcern: { level: 'local' } },
    )
    .toArray()
  for (const { ns, cursor } of cursors) {
    const collection = String(ns).slice(String(ns).indexOf('.') + 1)
    await db.command({ killCursors: collection, cursors: [cursor.cursorId] })
  }
  return cursors.length
}
