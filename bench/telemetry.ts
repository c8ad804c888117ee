import { randomUUID } from 'node:crypto'
import type { Collection, Document } from 'mongodb'
import type { TelemetryBatch } from '../src/domain/telemetry'
import { type Ingested, telemetryCollections } from '../src/store/telemetry'
import {
  batchOf,
  environment,
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

type Index = Readonly<Record<string, 1 | -1>>

/** What is ingested, and what a plain insert of as many would write. */
interface Load {
  readonly name: string
  batch(index: number): TelemetryBatch
  /** As many documents as a batch holds; the first batch has been ingested. */
  plain(ground: LiveGround): Promise<Document[]>
  /** Of a plain collection that answers the same questions. */
  readonly indexes: readonly Index[]
}

/** By conversation, by lane, by composite, and when it expires; by id besides. */
const plainLogIndexes: readonly Index[] = [
  { tenant: 1, conversation: 1, at: 1 },
  { environment: 1, task: 1, at: -1 },
  { environment: 1, task: 1, composite: 1, at: -1 },
  { receivedAt: 1 },
]

/** Units and requests per second of `ingest` against `insertMany` of as many documents, one for each. */
export async function benchIngest(mongodbUri: string): Promise<Finding[]> {
  const ground = await liveGround(mongodbUri)
  try {
    const lane = await openLane(ground.ledger, 'ingest', 'conversation')
    const rows: Row[] = []
    for (const load of loadsOf(lane)) rows.push(await ingestRow(ground, load))
    const about = `telemetry in batches of ${batchSize}, one after another ÷ insertMany of one document for each`
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
  const stored = ({ store }: LiveGround) => store.database.collection('units').find().limit(batchSize).toArray()
  const specs = telemetryCollections.filter(({ name }) => name === 'units')
  const asStored = { plain: stored, indexes: specs.flatMap(({ indexes = [] }) => indexes.map(({ key }) => key)) }
  const requests = (index: number) => numbers(index).map((number) => requestOf(lane, 'candidate', number))
  return [
    { name: 'conversations, first report', batch: (index) => units(index, 1), ...asStored },
    {
      name: 'conversations, later report',
      ...asStored,
      batch: (index) => units(index % knownBatches, 2 + Math.floor(index / knownBatches)),
    },
    {
      name: 'request log',
      batch: (index) => batchOf({ requests: requests(index) }),
      plain: async () =>
        requests(0).map(({ requestId: _id, ...row }) => ({
          ...row,
          environment,
          reporter: 'bench-reporter',
          receivedAt: new Date(),
        })),
      indexes: plainLogIndexes,
    },
  ]
}

async function ingestRow(ground: LiveGround, load: Load): Promise<Row> {
  const { database, telemetry } = ground.store
  let sent = 0
  const nextBatches = () => Array.from({ length: batchesPerRound }, () => load.batch(sent++))
  await telemetry.ingest(load.batch(sent++), 'app')
  const samples = await load.plain(ground)
  const bare = database.collection<Document>(`bare ${load.name}`)
  const indexed = database.collection<Document>(`indexed ${load.name}`)
  for (const key of load.indexes) await indexed.createIndex(key)
  const insertInto = (collection: Collection<Document>) => () => {
    const copies = Array.from({ length: batchesPerRound }, () =>
      samples.map((row): Document => ({ ...row, _id: randomUUID() })),
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
