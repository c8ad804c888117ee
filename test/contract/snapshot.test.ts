import { SnapshotHub } from '../../src/api/snapshot-hub'
import { applyDelta, horizonMs, type Snapshot, type SnapshotDelta } from '../../src/domain/snapshot'
import { SnapshotBuilder } from '../../src/store/snapshots'
import { environment, type TrafficGround, task, trafficGround } from '../support/traffic'

let ground: TrafficGround
const author = { by: 'test', reason: 'test' }

beforeEach(async () => {
  ground = await trafficGround()
})
afterEach(() => ground.end())

const seqs = (snapshot: Snapshot): number[] => (snapshot.lanes[task]?.entries ?? []).map(({ seq }) => seq)

describe('building a snapshot', () => {
  it('keeps an entry until one horizon after its successor, and the newest for ever', async () => {
    await ground.settle(0)
    const second = await ground.step({ incumbent: 0, candidate: 1 })
    await ground.settle(1)
    const third = await ground.ledger.head(environment, task)
    const builder = new SnapshotBuilder(ground.store)
    const at = async (now: number) => seqs(await builder.build(environment, now))
    expect(await at(second.at + horizonMs - 1)).toEqual([1, 2, 3])
    expect(await at(second.at + horizonMs)).toEqual([2, 3])
    expect(await at((third?.at ?? 0) + horizonMs)).toEqual([3])
    expect(await at((third?.at ?? 0) + 100 * horizonMs)).toEqual([3])
  })

  it('has the same version for the same content, whichever server builds it, and holds every composite it names', async () => {
    const incumbent = await ground.settle(0)
    const candidate = await ground.composite(1)
    await ground.step({ incumbent: 0, candidate: 1 })
    const now = await ground.store.database.now()
    const one = await new SnapshotBuilder(ground.store).build(environment, now)
    const other = await new SnapshotBuilder(ground.store).build(environment, now + 1_000)
    expect(other).toEqual(one)
    expect(Object.keys(one.composites).sort()).toEqual([incumbent, candidate].sort())
    expect(one.composites[candidate]?.contents.prompt).toEqual({ text: 'Score 1: {{transcript}}' })
    expect(Object.keys((await new SnapshotBuilder(ground.store).build('staging', now)).composites)).toEqual([])
  })

  it('keeps the newest entry of a tenant for ever and the earlier ones within the horizon', async () => {
    await ground.tenants.put('acme', { ring: 'pilot' }, author)
    await ground.tenants.put('acme', { ring: 'early' }, author)
    const now = await ground.store.database.now()
    const builder = new SnapshotBuilder(ground.store)
    const ringsAt = async (at: number) =>
      (await builder.build(environment, at)).tenants.acme?.map(({ state }) => state.ring)
    expect(await ringsAt(now)).toEqual(['pilot', 'early'])
    expect(await ringsAt(now + 2 * horizonMs)).toEqual(['early'])
  })
})

describe('the snapshot hub', () => {
  let hub: SnapshotHub
  beforeEach(() => {
    hub = new SnapshotHub(ground.store)
  })
  afterEach(() => hub.close())

  /** Resolves once the deltas have led to lane entry `seq`. */
  function follow(
    from: Snapshot,
    seq: number,
    subscribe: (take: (delta: SnapshotDelta) => void) => void,
  ): Promise<Snapshot> {
    return new Promise((resolve) => {
      let snapshot = from
      subscribe((delta) => {
        snapshot = applyDelta(snapshot, delta) as Snapshot
        if (seqs(snapshot).at(-1) === seq) resolve(snapshot)
      })
    })
  }

  it('tells each change as deltas that lead to exactly the new snapshot', async () => {
    await ground.settle(0)
    const before = (await hub.current(environment)).compiled.snapshot
    const after = follow(before, 3, (take) => void hub.attach(environment, before.version, take))
    await ground.step({ incumbent: 0, candidate: 1 })
    await ground.rollback('release-1')
    const snapshot = await after
    const built = await new SnapshotBuilder(ground.store).build(environment, await ground.store.database.now())
    expect(snapshot).toEqual(built)
    expect((await hub.current(environment)).compiled.snapshot).toEqual(built)
  })

  it('gives what was missed since a version that it knows, and nothing for one that it does not', async () => {
    await ground.settle(0)
    const before = (await hub.current(environment)).compiled.snapshot
    const after = follow(before, 2, (take) => void hub.attach(environment, undefined, take))
    await ground.step({ incumbent: 0, candidate: 1 })
    const { version } = await after
    const known = await hub.attach(environment, before.version, () => undefined)
    expect(known.missed?.map(({ from }) => from)[0]).toBe(before.version)
    expect(known.missed?.at(-1)?.to).toBe(version)
    expect((await hub.attach(environment, version, () => undefined)).missed).toEqual([])
    expect((await hub.attach(environment, 'sha256:unknown', () => undefined)).missed).toBeUndefined()
  })

  it('goes on after its change stream was killed, without losing what happened meanwhile', async () => {
    await ground.settle(0)
    const before = (await hub.current(environment)).compiled.snapshot
    const after = follow(before, 2, (take) => void hub.attach(environment, before.version, take))
    const admin = ground.store.database.client.db('admin')
    const cursors = await admin
      .aggregate(
        [
          { $currentOp: { allUsers: true, idleCursors: true } },
          { $match: { 'cursor.tailable': true, ns: { $regex: `^${ground.store.database.db.databaseName}\\.` } } },
        ],
        { readConcern: { level: 'local' } },
      )
      .toArray()
    for (const { ns, cursor } of cursors) {
      const collection = String(ns).slice(String(ns).indexOf('.') + 1)
      await ground.store.database.db.command({ killCursors: collection, cursors: [cursor.cursorId] })
    }
    await ground.step({ incumbent: 0, candidate: 1 })
    expect(seqs(await after)).toEqual([1, 2])
  })
})
