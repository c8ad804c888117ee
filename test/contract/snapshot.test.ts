import { SnapshotHub } from '../../src/api/snapshot-hub'
import { horizonMs, type Snapshot, type SnapshotDelta } from '../../src/domain/snapshot'
import { everything, LiveSnapshot, type SnapshotChanges } from '../../src/store/live-snapshot'
import { SnapshotBuilder } from '../../src/store/snapshots'
import { killChangeStreams } from '../support/change-streams'
import { applyDelta } from '../support/snapshot-delta'
import { environment, type TrafficGround, task, trafficGround } from '../support/traffic'
import { until } from '../support/until'

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

describe('a snapshot that is kept up to date', () => {
  const nothing: SnapshotChanges = { ...everything, whole: false, tasks: false }

  async function edits(): Promise<void> {
    await ground.settle(1)
    await ground.tenants.put('acme', { ring: 'pilot' }, author)
    await ground.tenants.optOut('beta', task, author)
    await ground.settle(0)
    await ground.step({ incumbent: 0, candidate: 1 })
    await ground.rollback('release-1')
    await ground.settle(2)
    await ground.tenants.setRuns('acme', task, true, author)
  }

  it('is what would be read as a whole, at every later moment', async () => {
    const live = new LiveSnapshot(ground.store, environment)
    const now = () => ground.store.database.now()
    await edits()
    await live.update(everything, await now())
    await edits()
    const { database } = ground.store
    const ids = async (name: string) =>
      new Set((await database.db.collection(name).find().toArray()).map(({ _id }) => `${_id}`))
    const appended = { ...nothing, allocations: await ids('allocations'), tenantEntries: await ids('tenantEntries') }
    let held = live.snapshot
    const update = async (changes: SnapshotChanges, at: number): Promise<void> => {
      const delta = await live.update(changes, at)
      if (delta !== undefined) held = applyDelta(held, delta)
      const built = await new SnapshotBuilder(ground.store).build(environment, at)
      expect(live.snapshot).toEqual(built)
      expect(JSON.parse(live.text)).toEqual(built)
      expect(held).toEqual(built)
    }
    await update(appended, await now())
    await update(nothing, (await now()) + horizonMs / 2)
    const seqsBefore = seqs(held)
    const entries = await ground.ledger.entries(environment, task)
    for (const { at } of entries) await update(nothing, at + horizonMs + 300_000)
    expect(seqs(held).length).toBeLessThan(seqsBefore.length)
    expect(held.lanes[task]?.olderRevocations).toBeDefined()
    // A tenant lets go of the pin that the old rollback could meet.
    await ground.tenants.reset('beta', task, author)
    await update({ ...nothing, tenantEntries: await ids('tenantEntries') }, (entries.at(-1)?.at ?? 0) + 2 * horizonMs)
  })

  it('reads everything again where an entry between is not told of, and changes nothing where it cannot read', async () => {
    await ground.settle(0)
    const live = new LiveSnapshot(ground.store, environment)
    await live.update(everything, await ground.store.database.now())
    await edits()
    const { version } = live
    const failing = new LiveSnapshot(
      {
        ...ground.store,
        catalog: { ...ground.store.catalog, compositesByIds: () => Promise.reject(new Error('away')) },
      },
      environment,
    )
    await expect(failing.update(everything, 0)).rejects.toThrow('away')
    expect(failing.version).toBe('')
    const head = await ground.ledger.head(environment, task)
    const last = { ...nothing, allocations: new Set([`${environment}/${task}/${head?.seq}`]) }
    expect(await live.update(last, await ground.store.database.now())).toMatchObject({ from: version })
    expect(live.snapshot).toEqual(
      await new SnapshotBuilder(ground.store).build(environment, await ground.store.database.now()),
    )
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
        snapshot = applyDelta(snapshot, delta)
        if (seqs(snapshot).at(-1) === seq) resolve(snapshot)
      })
    })
  }

  it('tells each change as deltas that lead to exactly the new snapshot', async () => {
    await ground.settle(0)
    const before = (await hub.current(environment)).compiled.snapshot
    const after = follow(before, 3, (take) => void hub.attach(environment, before.version, take))
    await ground.step({ incumbent: 0, candidate: 1 })
    await ground.tenants.put('acme', { ring: 'pilot' }, author)
    await ground.store.database.db.collection('capturePolicies').insertOne({ environment, task, basisPoints: 100 })
    await ground.rollback('release-1')
    const snapshot = await after
    const built = await new SnapshotBuilder(ground.store).build(environment, await ground.store.database.now())
    expect(snapshot).toEqual(built)
    expect((await hub.current(environment)).compiled.snapshot).toEqual(built)
  })

  it('says once why it cannot read, and goes on when it can', async () => {
    await ground.settle(0)
    const faults: unknown[] = []
    let broken = false
    const now = () => (broken ? Promise.reject(new Error('broken on purpose')) : ground.store.database.now())
    const source = { ...ground.store, database: { ...ground.store.database, now } }
    const failing = new SnapshotHub(source, (error) => faults.push(error))
    try {
      const { version, compiled } = await failing.current(environment)
      const after = follow(compiled.snapshot, 2, (take) => void failing.attach(environment, version, take))
      broken = true
      await ground.step({ incumbent: 0, candidate: 1 })
      await until('it tried again', async () => !failing.confirmed && faults.length > 0)
      broken = false
      await after
      expect(faults).toEqual([new Error('broken on purpose')])
    } finally {
      await failing.close()
    }
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
    await until('the change stream is killed', async () => (await killChangeStreams(ground.store.database)) > 0)
    await ground.step({ incumbent: 0, candidate: 1 })
    expect(seqs(await after)).toEqual([1, 2])
  })
})
