import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type LiveGround, liveGround } from './live-lane'
import { type Finding, type Row, rounded } from './measure'
import type { SideReport, SideTask } from './push-side'

/** Memory that grew with the rows would show between the two. */
const sizes = [100_000, 1_000_000]
const inserted = 1000
const changedEvery = 100

/**
 * `sluice push` of datasets of small rows: CLI and server as processes of their own, and `insertMany` of as many of the very
 * documents that hold the rows. One run each, since a size takes a minute; the floor is run right after its push.
 */
export async function benchPush(mongodbUri: string): Promise<Finding[]> {
  const rows: Row[] = []
  for (const count of sizes) rows.push(...(await pushRows(mongodbUri, count)))
  const about = 'sluice push of small rows ÷ insertMany of the same documents; memory is the peak of each process'
  return [{ benchmark: 'push', about, rows }]
}

async function pushRows(mongodbUri: string, count: number): Promise<readonly Row[]> {
  const ground = await liveGround(mongodbUri)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-push-'))
  const server = fork(join(__dirname, 'push-side.js'))
  try {
    await writeDataset(folder, '1.0.0', { count, isChanged: () => false })
    const database = ground.store.database.db.databaseName
    const { url = '', apiKey = '' } = await told(server, { side: 'server', mongodbUri, database })
    const cli = (...args: string[]) => told(fork(join(__dirname, 'push-side.js')), { side: 'cli', url, apiKey, args })
    const push = await cli('push', folder)
    const floor = await insertMany(ground, count)
    const again = await cli('push', folder)
    await writeDataset(folder, '1.1.0', { count, isChanged: (number) => number % changedEvery === 0 })
    const next = await cli('push', folder)
    const diff = await cli('diff', 'dataset/bench@1.0.0', 'dataset/bench@1.1.0')
    const { peakMb = 0 } = await told(server, 'end')
    const row = (name: string, { ms = 0, peakMb: cliMb = 0 }: SideReport, pushed: number): Row => ({
      command: name,
      rows: count,
      'rows a second': Math.round((pushed * 1_000) / ms),
      seconds: rounded(ms / 1_000),
      '÷ insertMany': rounded((pushed * 1_000) / ms / floor),
      'CLI MB': cliMb,
      'server MB (all four)': peakMb,
    })
    return [
      row('push', push, count),
      row('push again', again, count),
      row('push with every 100th row changed', next, 2 * count),
      row('diff of the two', diff, count),
    ]
  } finally {
    server.kill()
    rmSync(folder, { recursive: true })
    await ground.end()
  }
}

/** Sends the task and waits for the next report. */
async function told(child: ChildProcess, task: SideTask | 'end'): Promise<SideReport> {
  child.send(task)
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`a side of the push ended with ${code}`)))
  ended.catch(() => undefined)
  const [report] = (await Promise.race([once(child, 'message'), ended])) as [SideReport]
  return report
}

interface DatasetFile {
  readonly count: number
  readonly isChanged: (number: number) => boolean
}

async function writeDataset(folder: string, semver: string, { count, isChanged }: DatasetFile): Promise<void> {
  const directory = join(folder, 'datasets', 'bench')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, `${semver}.yaml`), 'description: made up rows\n')
  const lines = function* () {
    for (let number = 0; number < count; number++) {
      const mood = isChanged(number) ? 'bad' : 'good'
      const input = { transcript: `I call about my order number ${number}, which has not come yet.` }
      yield `${JSON.stringify({ id: `case-${number}`, group: `g${number % 1000}`, input, expected: { mood } })}\n`
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(join(directory, `${semver}.jsonl`)))
}

/** Rows a second of a plain copy of the documents, in batches as the push makes them. */
async function insertMany({ store }: LiveGround, count: number): Promise<number> {
  const bare = store.database.collection('bare rows')
  let batch: object[] = []
  let ms = 0
  const insert = async () => {
    const from = performance.now()
    await bare.insertMany(batch, { ordered: false })
    ms += performance.now() - from
    batch = []
  }
  for await (const row of store.database.collection('rows').find({}, { batchSize: inserted })) {
    batch.push(row)
    if (batch.length === inserted) await insert()
  }
  if (batch.length > 0) await insert()
  return (count * 1_000) / ms
}
