import type { Document } from 'mongodb'
import { defaultRetention, garbagePhases } from '../src/domain/retention'
import type { Database } from '../src/store/database'
import { reachOf } from '../src/store/garbage-reach'
import { heavyBytes, versionCount, writeHistory } from './gc-history'
import { historyTemplates } from './gc-templates'
import { type LiveGround, liveGround } from './live-lane'
import { collectGarbage, type Finding, inTurns, median, ratioText, rounded } from './measure'

const rounds = 3
const sampleMs = 5
const bytesPerMegabyte = 1e6
const experimentMs = defaultRetention.experimentDays * 24 * 3_600_000

/** What a plan has to read of each collection: no walk over what is needed does without. */
const projections: Readonly<Record<string, Document>> = {
  versions: { kind: 1, digest: 1, references: 1, parents: 1, createdAt: 1, bytes: { $strLenBytes: '$content' } },
  composites: { pins: 1, parents: 1 },
  verdicts: { suite: 1, policy: 1 },
  evaluations: { candidate: 1, suite: 1, policy: 1 },
  allocations: { incumbent: 1, environment: 1, task: 1, seq: 1 },
  eval_results: { composite: 1, bytes: { $strLenBytes: '$result.text' } },
  rows: { bytes: 1 },
  row_sets: { columns: 0 },
  row_pages: {},
}

/** `sluice gc plan` and `gc run` on a generated history, against one plain reading of the same collections. */
export async function benchGc(mongodbUri: string): Promise<readonly Finding[]> {
  const ground = await liveGround(mongodbUri)
  try {
    const { store } = ground
    await store.garbage.setPolicy(
      { ...defaultRetention, heavyBytes, automatic: false },
      { by: 'bench', reason: 'bench' },
    )
    const templates = await historyTemplates(ground)
    const writing = performance.now()
    const written = await writeHistory(store, templates)
    const writeS = rounded((performance.now() - writing) / 1_000)
    await requireReadable(ground)
    const history = { versions: versionCount, documents: [...written.values()].reduce((sum, count) => sum + count, 0) }
    return [
      {
        benchmark: 'gc plan',
        about: `a history of ${[...written].map(([name, count]) => `${count} ${name}`).join(', ')}`,
        rows: [{ ...history, 'written in s': writeS, ...(await measurePlan(ground)) }],
      },
      { benchmark: 'gc run', about: 'of that plan, in this process', rows: await measureRun(ground) },
    ]
  } finally {
    await ground.end()
  }
}

/** The history is one that the store could have written: what it reads, it checks. */
async function requireReadable({ store: { catalog, database } }: LiveGround): Promise<void> {
  const spread = [{ $sample: { size: 20 } }, { $project: { kind: 1, digest: 1 } }]
  for (const name of ['versions', 'composites']) {
    for await (const { _id } of database.collection<{ _id: string }>(name).aggregate<{ _id: string }>(spread)) {
      if (name === 'versions') await catalog.version(_id)
      else await catalog.verifyComposite(_id as `sha256:${string}`)
    }
  }
}

async function measurePlan({ store: { database, garbage } }: LiveGround) {
  let peak = 0
  const sides = {
    scan: () => timed(() => scan(database)),
    plan: async () => {
      collectGarbage()
      const before = process.memoryUsage().heapUsed
      const watch = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().heapUsed - before)
      }, sampleMs)
      const ms = await timed(() => garbage.plan(0))
      clearInterval(watch)
      return ms
    },
  }
  const { scan: scans, plan: plans } = await inTurns({ sides, rounds, warmUp: 0 })
  const { totals, kept } = await garbage.plan(0)
  return {
    'plan s': rounded(median(plans) / 1_000),
    'scan s': rounded(median(scans) / 1_000),
    'plan ÷ scan': ratioText(plans, scans),
    'heap MB, at most': Math.round(peak / bytesPerMegabyte),
    needed: kept.needed,
    'bytes for each': await bytesForEach(database),
    'versions, outputs, rows to go': `${totals.versions.count}, ${totals.outputs.count}, ${totals.rows.count}`,
  }
}

/** What the heap holds for one digest that is needed. */
async function bytesForEach(database: Database): Promise<number> {
  const cutoff = new Date((await database.now()) - experimentMs)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const reach = await reachOf(database, cutoff)
  collectGarbage()
  return Math.round((process.memoryUsage().heapUsed - before) / reach.size)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function scan(database: Database): Promise<void> {
  for (const [name, projection] of Object.entries(projections)) {
    let read = 0
    for await (const _ of database.collection(name).find({}, { projection })) read += 1
    if (read === 0) throw new Error(`The history has no ${name}.`)
  }
}

async function measureRun({ store: { garbage } }: LiveGround) {
  const { id } = await garbage.open('bench')
  const rows = []
  for (const phase of garbagePhases) {
    const ms = await timed(() => garbage.collect(id, phase))
    const { count } = (await garbage.run(id)).totals[phase]
    rows.push({
      part: phase,
      dropped: count,
      seconds: rounded(ms / 1_000),
      'a second': Math.round((count * 1_000) / ms),
    })
  }
  await garbage.close(id, 'done')
  return rows
}
