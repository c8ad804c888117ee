import type { ClientSession, Document } from 'mongodb'
import type { GarbageTally } from '../domain/retention'
import type { Digest } from '../domain/version'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import type { Reach } from './garbage-reach'
import { batches, type Collection, dropIn, type Rules } from './garbage-run'
import { droppableSince } from './garbage-versions'
import { unusedSince } from './version-uses'

const dropBatch = 500
/** Composites whose outputs are asked for at once. */
const compositesTogether = 500

interface Output {
  readonly _id: string
  readonly composite: Digest
}

/** Raw outputs of composites that nothing needs: verdicts, scores and figures stand without them. */
export async function dropOutputs(database: Database, reach: Reach, run: Collection): Promise<void> {
  for await (const composites of batches(unneededComposites(database, reach, run), compositesTogether)) {
    const outputs = database
      .collection('eval_results')
      .find<Output>(withText(composites), { projection: { composite: 1 } })
    for await (const batch of batches(outputs, dropBatch)) {
      await dropIn(database, run, (session) => dropBatchIn(database, batch, run, session))
    }
  }
}

export async function measureOutputs(database: Database, reach: Reach, of: Rules): Promise<GarbageTally> {
  let tally: GarbageTally = { count: 0, bytes: 0 }
  for await (const composites of batches(unneededComposites(database, reach, of), compositesTogether)) {
    const { count, bytes } = await measured(database, withText(composites))
    tally = { count: tally.count + count, bytes: tally.bytes + bytes }
  }
  return tally
}

async function* unneededComposites(database: Database, reach: Reach, of: Rules): AsyncGenerator<Digest> {
  const composites = database.collection<CompositeDocument>('composites')
  const old = composites.find(unusedSince(droppableSince(of)) as object, { projection: { _id: 1 } })
  for await (const { _id } of old) if (!reach.isNeeded(_id)) yield _id
}

const withText = (composites: readonly Digest[]): Document => ({
  composite: { $in: composites },
  'result.text': { $exists: true },
})

async function measured(database: Database, which: Document, session?: ClientSession): Promise<GarbageTally> {
  const sum = { _id: null, count: { $sum: 1 }, bytes: { $sum: { $strLenBytes: '$result.text' } } }
  const pipeline = [{ $match: which }, { $group: sum }, { $project: { _id: 0 } }]
  const options = session ? { session } : {}
  const [tally] = await database.collection('eval_results').aggregate<GarbageTally>(pipeline, options).toArray()
  return tally ?? { count: 0, bytes: 0 }
}

/** An evaluation that begins at the same time marks the composite: one of the two starts again and finds the other. */
async function dropBatchIn(
  database: Database,
  outputs: readonly Output[],
  run: Collection,
  session: ClientSession,
): Promise<GarbageTally> {
  const among = [...new Set(outputs.map(({ composite }) => composite))]
  const composites = database.collection<CompositeDocument>('composites')
  const unused = { _id: { $in: among }, ...unusedSince(droppableSince(run)) } as object
  const still = await composites.distinct('_id', unused, { session })
  await composites.updateMany({ _id: { $in: still } }, { $inc: { outputDrops: 1 } }, { session })
  const which = { _id: { $in: outputs.map(({ _id }) => _id) }, ...withText(still) }
  const tally = await measured(database, which, session)
  const dropped = { at: await database.now(session), by: run.by, run: run.id }
  await database
    .collection<{ _id: string }>('eval_results')
    .updateMany(which, { $unset: { 'result.text': 1 }, $set: { dropped } }, { session })
  return tally
}
