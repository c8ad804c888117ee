import type { GarbageTally } from '../domain/retention'
import type { Digest } from '../domain/version'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import type { Reach } from './garbage-reach'
import { type Collection, droppableSince } from './garbage-versions'
import { unusedSince } from './version-uses'

const dropBatch = 500

/** Tools that an output calls are a part of it. */
const bytesOfCalls = {
  $cond: [{ $isArray: '$result.toolCalls' }, { $bsonSize: { calls: '$result.toolCalls' } }, 0],
}

interface Output {
  readonly _id: string
  readonly bytes: number
}

/** Raw outputs of composites that nothing needs: verdicts, scores and figures stand without them. */
export async function dropOutputs(database: Database, reach: Reach, run: Collection): Promise<GarbageTally> {
  let tally: GarbageTally = { count: 0, bytes: 0 }
  for await (const composite of unneededComposites(database, reach, run)) {
    let batch: Output[] = []
    const drop = async () => {
      const dropped = await dropOf(database, composite, batch, run)
      tally = { count: tally.count + dropped.count, bytes: tally.bytes + dropped.bytes }
      batch = []
    }
    for await (const output of outputsOf(database, composite)) {
      batch.push(output)
      if (batch.length >= dropBatch) await drop()
    }
    if (batch.length > 0) await drop()
  }
  return tally
}

export async function measureOutputs(
  database: Database,
  reach: Reach,
  of: Pick<Collection, 'policy' | 'now'>,
): Promise<GarbageTally> {
  let tally: GarbageTally = { count: 0, bytes: 0 }
  for await (const composite of unneededComposites(database, reach, of)) {
    for await (const { bytes } of outputsOf(database, composite)) {
      tally = { count: tally.count + 1, bytes: tally.bytes + bytes }
    }
  }
  return tally
}

async function* unneededComposites(
  database: Database,
  reach: Reach,
  of: Pick<Collection, 'policy' | 'now'>,
): AsyncGenerator<Digest> {
  const composites = database.collection<CompositeDocument>('composites')
  const old = composites.find(unusedSince(droppableSince(of)) as object, { projection: { _id: 1 } })
  for await (const { _id } of old) if (!reach.isNeeded(_id)) yield _id
}

function outputsOf(database: Database, composite: Digest): AsyncIterable<Output> {
  return database
    .collection('eval_results')
    .aggregate<Output>([
      { $match: { composite, 'result.text': { $exists: true } } },
      { $project: { bytes: { $add: [{ $strLenBytes: '$result.text' }, bytesOfCalls] } } },
    ])
}

/** An evaluation that begins at the same time marks the composite: one of the two starts again and finds the other. */
function dropOf(
  database: Database,
  composite: Digest,
  outputs: readonly Output[],
  run: Collection,
): Promise<GarbageTally> {
  return database.transact(async (session) => {
    const unused = { _id: composite, ...unusedSince(droppableSince(run)) } as object
    const composites = database.collection<CompositeDocument>('composites')
    const { matchedCount } = await composites.updateOne(unused, { $inc: { outputDrops: 1 } }, { session })
    if (matchedCount === 0) return { count: 0, bytes: 0 }
    const at = await database.now(session)
    const { modifiedCount } = await database
      .collection<{ _id: string }>('eval_results')
      .updateMany(
        { _id: { $in: outputs.map(({ _id }) => _id) }, 'result.text': { $exists: true } },
        { $unset: { 'result.text': 1, 'result.toolCalls': 1 }, $set: { dropped: { at, by: run.by, run: run.id } } },
        { session },
      )
    return { count: modifiedCount, bytes: outputs.reduce((sum, { bytes }) => sum + bytes, 0) }
  })
}
