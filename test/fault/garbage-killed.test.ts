import type { DatasetContent } from '../../src/domain/contents'
import { type GarbageRun, garbagePhases } from '../../src/domain/retention'
import { openStore, type Store } from '../../src/store/store'
import { registration } from '../support/contents'
import { type FaultGround, type FaultTask, faultGround } from '../support/fault-ground'
import { groundAddress } from '../support/ground'
import { agedBy } from '../support/retention'
import { until } from '../support/until'

const prompts = 800
const rows = 4_000
/** Until Temporal misses the killed worker, on a machine that does other things too. */
const patienceMs = 100_000
const heavy = 'x'.repeat(5_000)

describe('collections of garbage', () => {
  let ground: FaultGround
  let store: Store
  let task: FaultTask
  beforeAll(async () => {
    const servers = { mongodbUri: groundAddress('MONGODB_URI'), temporalAddress: groundAddress('TEMPORAL_ADDRESS') }
    ground = await faultGround(servers)
    store = ground.store
    task = await ground.task()
  })
  afterAll(() => ground.end())

  /** Heavy prompts and a dataset that nothing needs, of long ago; what stays keeps its content. */
  async function experiments(name: string): Promise<DatasetContent> {
    const text = (number: number) => ({ text: `${name} ${number} ${heavy} {{transcript}}` })
    const first = await store.catalog.register(registration(`prompt/${name}-0@1.0.0`, text(0)))
    // Of one that was registered, as many again, each with an id and a digest of its own: registering them takes minutes.
    const standing = await store.database.collection('versions').findOne({ digest: first.version.digest })
    const others = Array.from({ length: prompts - 1 }, (_, index) => {
      const number = `${name}-${index + 1}`
      const digest = `sha256:${Buffer.from(number).toString('hex').padStart(64, '0')}`
      return { ...standing, _id: `prompt/${number}@1.0.0`, name: number, position: `prompt/${number} 1`, digest }
    })
    await store.database.collection<{ _id: string }>('versions').insertMany(others)
    const many = Array.from({ length: rows }, (_, number) => ({ id: `${name}-${number}`, said: `row ${number % 9}` }))
    const { version } = await store.catalog.register(registration(`dataset/${name}@1.0.0`, { rows: many }))
    await agedBy(store.database, 100)
    return version.content as DatasetContent
  }

  /**
   * What tombstones say that a run dropped, and rows that are gone, held against what it counted. All of one moment: the
   * last transaction of a killed worker may still commit.
   */
  async function requireHonest(id: string, name: string): Promise<void> {
    const { totals, told, halfDropped, gone } = await store.database.transact(async (session) => {
      const versions = store.database.collection('versions')
      const run = await store.database
        .collection<GarbageRun & { _id: string }>('gc_runs')
        .findOne({ _id: id }, { session })
      let [count, bytes] = [0, 0]
      for await (const version of versions.find({ 'dropped.run': id }, { session })) {
        count += 1
        bytes += version.dropped.bytes
        expect(version.dropped.what === 'content' ? version.content : '').toBe('')
      }
      const halfDropped = await versions.countDocuments({ content: '', dropped: { $exists: false } }, { session })
      const left = { text: { $regex: `"id":"${name}-` } }
      const gone = rows - (await store.database.collection('rows').countDocuments(left, { session }))
      return { totals: run?.totals, told: { count, bytes }, halfDropped, gone }
    })
    expect([totals?.versions, totals?.rows.count, halfDropped]).toEqual([told, gone, 0])
  }

  async function requireDone(name: string, { root }: DatasetContent, run: GarbageRun): Promise<void> {
    expect(run).toMatchObject({ state: 'done', totals: { versions: { count: prompts + 1 }, rows: { count: rows } } })
    await requireHonest(run.id, name)
    await expect(store.catalog.version(`prompt/${name}-0@1.0.0`)).rejects.toMatchObject({ code: 'content_dropped' })
    await expect(store.catalog.rowSet(root)).rejects.toMatchObject({ code: 'content_dropped' })
    const nothing = { count: 0 }
    expect(await store.garbage.plan(1)).toMatchObject({ totals: { versions: nothing, rows: nothing }, items: [] })
    // What a task names is there, byte for byte.
    expect((await store.catalog.version('suite/airline@1.0.0')).dropped).toBeUndefined()
    for await (const { row } of store.catalog.rows(await suiteRows())) expect(row).toBeDefined()
  }

  async function suiteRows(): Promise<DatasetContent['root']> {
    const { content } = await store.catalog.version('suite/airline@1.0.0')
    const { dataset } = content as { dataset: DatasetContent['root'] }
    return ((await store.catalog.byDigest('dataset', dataset)).content as DatasetContent).root
  }

  test.each(['versions', 'rows'] as const)(
    'a worker that is killed amid %s goes on, and counts nothing twice',
    async (phase) => {
      const dataset = await experiments(`killed-${phase}`)
      const { id } = await store.garbage.open('ann')
      task.startWorker()
      await task.orchestrator.startGarbage({ runId: id, by: 'ann' })
      await until(`some ${phase} went`, async () => (await store.garbage.run(id)).totals[phase].count > 0, patienceMs)
      await task.killWorker()
      await requireHonest(id, `killed-${phase}`)

      task.startWorker()
      await until('the run ends', async () => (await store.garbage.run(id)).state !== 'running', patienceMs)
      await task.killWorker()
      await requireDone(`killed-${phase}`, dataset, await store.garbage.run(id))
    },
    3 * patienceMs,
  )

  test('two at once come to the same end, and count it once', async () => {
    const dataset = await experiments('twice')
    const other = await openStore(groundAddress('MONGODB_URI'), store.database.db.databaseName)
    try {
      const opened = await Promise.all([store.garbage.open('ann'), other.garbage.open('bob')])
      const [{ id }] = opened
      expect(opened.map((run) => run.id)).toEqual([id, id])
      const all = async ({ garbage }: Store) => {
        for (const phase of garbagePhases) await garbage.collect(id, phase)
        return garbage.close(id, 'done')
      }
      const ends = await Promise.all([all(store), all(other)])
      for (const run of ends) await requireDone('twice', dataset, run)
    } finally {
      await other.database.close()
    }
  })
})
