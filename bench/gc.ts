import { createHash } from 'node:crypto'
import { garbagePhases } from '../src/domain/retention'
import type { Digest } from '../src/domain/version'
import type { Database } from '../src/store/database'
import { type LiveGround, liveGround } from './live-lane'
import { type Finding, rounded } from './measure'

const versions = 100_000
/** Every so many-th has a content that is heavy. */
const heavyEvery = 5
/** Every so many-th is in a composite with an output; every so many-th of those served. */
const composedEvery = 5
const servedEvery = 10
const together = 2_000
const rounds = 3
const ageMs = 100 * 24 * 3_600_000

const digestOf = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}`
const promptOf = (number: number) => digestOf(`prompt ${number}`)
const compositeOf = (number: number) => digestOf(`composite ${number}`)

/**
 * A history of experiments, a tenth of the composed ones served: what a plan takes, and a run, against a bare scan of the
 * same versions and composites, which a walk over what is needed cannot do without.
 */
export async function benchGc(mongodbUri: string): Promise<Finding[]> {
  const ground = await liveGround(mongodbUri)
  try {
    await generate(ground.store.database)
    const scans: number[] = []
    const plans: number[] = []
    let heapMb = 0
    for (let round = 0; round < rounds; round += 1) {
      scans.push(await timed(() => scan(ground.store.database)))
      plans.push(await timed(async () => void (await ground.store.garbage.plan(0))))
      heapMb = Math.max(heapMb, process.memoryUsage().heapUsed / 1_048_576)
    }
    const [scanMs, planMs] = [Math.min(...scans), Math.min(...plans)]
    const { dropped, ms } = await collect(ground)
    const row = { versions, 'plan s': rounded(planMs / 1_000), 'bare scan s': rounded(scanMs / 1_000) }
    const ratio = { 'plan ÷ scan': rounded(planMs / scanMs), 'heap MB': Math.round(heapMb) }
    const run = { dropped, 'run s': rounded(ms / 1_000), 'dropped a second': Math.round((dropped * 1_000) / ms) }
    return [
      { benchmark: 'gc', about: 'sluice gc plan and run on generated versions', rows: [{ ...row, ...ratio, ...run }] },
    ]
  } finally {
    await ground.end()
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function scan(database: Database): Promise<void> {
  for (const name of ['versions', 'composites']) {
    for await (const _ of database.collection(name).find({}, { projection: { digest: 1, references: 1, pins: 1 } }));
  }
}

async function collect({ store: { garbage } }: LiveGround): Promise<{ readonly dropped: number; readonly ms: number }> {
  const { id } = await garbage.open('bench')
  const ms = await timed(async () => {
    for (const phase of garbagePhases) await garbage.collect(id, phase)
  })
  const { totals } = await garbage.close(id, 'done')
  return { dropped: totals.versions.count + totals.outputs.count, ms }
}

async function generate(database: Database): Promise<void> {
  const createdAt = new Date((await database.now()) - ageMs)
  for (let from = 0; from < versions; from += together) {
    const numbers = Array.from({ length: together }, (_, place) => from + place)
    const composed = numbers.filter((number) => number % composedEvery === 0)
    await insert(
      database,
      'versions',
      numbers.map((number) => version(number, createdAt)),
    )
    await insert(
      database,
      'composites',
      composed.map((number) => composite(number, createdAt)),
    )
    await insert(database, 'eval_results', composed.map(output))
    const served = composed.filter((number) => number % (composedEvery * servedEvery) === 0)
    await insert(database, 'allocations', served.map(entry))
  }
}

const insert = (database: Database, name: string, documents: readonly object[]) =>
  database.collection(name).insertMany([...documents], { ordered: false, bypassDocumentValidation: true })

function version(number: number, createdAt: Date): object {
  const name = `bench-${number}`
  const content = JSON.stringify({ text: `${name} ${'x'.repeat(number % heavyEvery === 0 ? 5_000 : 500)}` })
  const parents = number === 0 ? [] : [promptOf(number - 1)]
  const label = { _id: `prompt/${name}@1.0.0`, kind: 'prompt', name, semver: '1.0.0', position: `prompt/${name} 1` }
  return { ...label, digest: promptOf(number), content, author: 'bench', createdAt, parents, references: [] }
}

function composite(number: number, createdAt: Date): object {
  const pin = { role: 'prompt', kind: 'prompt', ref: `prompt/bench-${number}@1.0.0`, digest: promptOf(number) }
  const parents = number < composedEvery ? [] : [compositeOf(number - composedEvery)]
  return { _id: compositeOf(number), pins: [pin], closure: [promptOf(number)], parents, createdAt }
}

const output = (number: number): object => ({
  _id: `bench/${number}`,
  composite: compositeOf(number),
  suite: digestOf('suite'),
  result: { text: 'x'.repeat(500), call: compositeOf(number) },
})

const entry = (number: number): object => ({
  _id: `bench/${number}`,
  environment: 'production',
  task: 'bench',
  seq: number,
  incumbent: compositeOf(number),
})
