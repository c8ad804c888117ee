import type { Collection, Document } from 'mongodb'
import type { TelemetryBatch } from '../src/domain/telemetry'
import { type Ingested, telemetryCollections } from '../src/store/telemetry'
import {
  batchOf,
  type LiveGround,
  type LiveLane,
  liveGround,
  openLane,
  requestOf,
  stratumOf,
  unitOf,
} from './live-lane'
import { type Finding, inTurns, median, type Row, ratioText, rounded } from './measure'

const batchSize = 500
const batchesPerRound = 4
const rounds = 15
const warmUp = 3

/** What is ingested, and the collection whose documents a plain insert would write. */
interface Load {
  readonly name: string
  readonly collection: 'units' | 'requests'
  batch(index: number): TelemetryBatch
}

/** Documents per second of `ingest` against `insertMany` of as many of the very documents that it writes. */
export async function benchIngest(mongodbUri: string): Promise<Finding[]> {
  const ground = await liveGround(mongodbUri)
  try {
    const lane = await openLane(ground.ledger, 'ingest', 'conversation')
    const rows: Row[] = []
    for (const load of loadsOf(lane)) rows.push(await ingestRow(ground, load))
    const about = `telemetry in batches of ${batchSize}, one after another ÷ insertMany of the same documents`
    return [{ benchmark: 'ingest', about, rows }]
  } finally {
    await ground.end()
  }
}

/** Few enough that the first load has told of all of them. */
const knownBatches = 20

function loadsOf(lane: LiveLane): Load[] {
  const numbers = (batch: number) => Array.from({ length: batchSize }, (_, index) => batch * batchSize + index)
  const units = (batch: number, revision: number): TelemetryBatch => {
    const reports = numbers(batch).map((number) => unitOf(number, `tenant-${number % 1_000}`, revision))
    const half = batchSize / 2
    return batchOf({
      strata: [
        { ...stratumOf(lane, 'candidate'), units: reports.slice(0, half) },
        { ...stratumOf(lane, 'incumbent'), units: reports.slice(half) },
      ],
    })
  }
  return [
    { name: 'conversations, first report', collection: 'units', batch: (index) => units(index, 1) },
    {
      name: 'conversations, later report',
      collection: 'units',
      batch: (index) => units(index % knownBatches, 2 + Math.floor(index / knownBatches)),
    },
    {
      name: 'request log',
      collection: 'requests',
      batch: (index) => batchOf({ requests: numbers(index).map((number) => requestOf(lane, 'candidate', number)) }),
    },
  ]
}

async function ingestRow({ store }: LiveGround, load: Load): Promise<Row> {
  const { database, telemetry } = store
  let sent = 0
  const nextBatches = () => Array.from({ length: batchesPerRound }, () => load.batch(sent++))
  await telemetry.ingest(load.batch(sent++), 'app')
  const samples = await database.collection<Document>(load.collection).find().limit(batchSize).toArray()
  const bare = database.collection<Document>(`bare ${load.name}`)
  const indexed = database.collection<Document>(`indexed ${load.name}`)
  const specs = telemetryCollections.filter(({ name }) => name === load.collection)
  for (const { key } of specs.flatMap(({ indexes = [] }) => indexes)) await indexed.createIndex(key)
  let inserted = 0
  const insertInto = (collection: Collection<Document>) => () => {
    const copies = Array.from({ length: batchesPerRound }, () =>
      samples.map((row): Document => ({ ...row, _id: `${inserted++}` })),
    )
    return perSecond(copies, (documents) => collection.insertMany(documents, { ordered: false }))
  }
  const { ours, floors, indexedFloors } = await inTurns({
    rounds,
    warmUp,
    sides: {
      ours: () => perSecond(nextBatches(), async (batch) => assertTaken(await telemetry.ingest(batch, 'app'))),
      floors: insertInto(bare),
      indexedFloors: insertInto(indexed),
    },
  })
  return {
    load: load.name,
    'ingest a second': rounded(median(ours)),
    'insertMany a second': rounded(median(floors)),
    'ingest ÷ insertMany': ratioText(ours, floors),
    'ingest ÷ insertMany into the same indexes': ratioText(ours, indexedFloors),
  }
}

function assertTaken({ units, requests, refused }: Ingested): void {
  if (units + requests !== batchSize || refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused[0])}`)
}

async function perSecond<T>(batches: readonly T[], send: (batch: T) => Promise<unknown>): Promise<number> {
  const from = performance.now()
  for (const batch of batches) await send(batch)
  return (batches.length * batchSize * 1_000) / (performance.now() - from)
}
