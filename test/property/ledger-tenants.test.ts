import type { TenantTask } from '../../src/domain/tenant'
import type { Digest } from '../../src/domain/version'
import { tenantLeadMs } from '../../src/store/tenants'
import { author, type LaneGround, laneGround, production, refusal, type TestLane } from '../support/lane-ground'

let ground: LaneGround
let lane: TestLane
let v0: Digest
let v1: Digest
let own: Digest
let tenant: string
let nth = 0

beforeAll(async () => {
  ground = await laneGround()
  ;[v0, v1] = (await ground.tested(2)) as [Digest, Digest]
  own = await ground.composite(50)
})
beforeEach(async () => {
  lane = await ground.lane()
  tenant = `tenant-${++nth}`
})
afterAll(() => ground.end())

const tenants = () => ground.store.tenants
const code = async (work: Promise<unknown>) => (await refusal(work)).code
const settings = async (): Promise<TenantTask | undefined> => (await tenants().current(tenant))?.state.tasks[lane.task]
const override = (base: Digest, composite = own) =>
  tenants().override({ tenant, task: lane.task, base, composite, policy: ground.policy }, author)

describe('the ledger of a tenant', () => {
  it('keeps the whole state in every entry, ahead of the clock by the lead, contiguous and chained', async () => {
    const before = await ground.store.database.now()
    await tenants().put(tenant, { ring: 'pilot', region: 'eu', contacts: ['ann@example.com'] }, author)
    await tenants().put(tenant, { ring: 'early' }, author)
    await tenants().setRuns(tenant, lane.task, false, author)
    const history = await tenants().history(tenant)
    expect(history.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(history[0]?.at).toBeGreaterThanOrEqual(before + tenantLeadMs)
    for (const [index, { at }] of history.entries()) expect(at).toBeGreaterThan(history[index - 1]?.at ?? 0)
    expect(history.at(-1)).toMatchObject({
      by: 'ann',
      state: { ring: 'early', region: 'eu', contacts: ['ann@example.com'], tasks: { [lane.task]: { runs: false } } },
    })
    expect(await tenants().current(tenant)).toEqual(history.at(-1))
    expect(await tenants().verify(tenant)).toEqual({ entries: 3 })
    expect(await tenants().current('stranger')).toBeUndefined()
    expect(await tenants().verify('stranger')).toEqual({ entries: 0 })
  })

  it('dates an entry after the one before, even where the clock of the store was set back', async () => {
    await tenants().put(tenant, { ring: 'pilot' }, author)
    const ahead = (await ground.store.database.now()) + 3_600_000
    await ground.store.database
      .collection<{ _id: string }>('tenants')
      .updateOne({ _id: tenant }, { $set: { at: ahead } })
    expect((await tenants().put(tenant, { ring: 'early' }, author)).at).toBe(ahead + 1)
  })

  it('appends nothing where nothing changes', async () => {
    const first = await tenants().put(tenant, { ring: 'pilot' }, author)
    expect(await tenants().put(tenant, { ring: 'pilot' }, author)).toEqual(first)
    const runs = await tenants().setRuns(tenant, lane.task, true, author)
    expect(await tenants().setRuns(tenant, lane.task, true, author)).toEqual(runs)
    expect(await tenants().history(tenant)).toHaveLength(2)
  })

  it('loses no change of concurrent writers', async () => {
    await Promise.all([
      tenants().put(tenant, { ring: 'pilot' }, author),
      tenants().put(tenant, { region: 'eu' }, author),
      tenants().put(tenant, { locale: 'de' }, author),
      tenants().setRuns(tenant, lane.task, true, author),
      tenants().put(tenant, { contacts: ['ann@example.com'] }, author),
    ])
    expect((await tenants().current(tenant))?.state).toEqual({
      ...{ ring: 'pilot', region: 'eu', locale: 'de', contacts: ['ann@example.com'] },
      tasks: { [lane.task]: { runs: true } },
    })
    expect(await tenants().verify(tenant)).toEqual({ entries: 5 })
  })

  it('wants a reason and an id that hashes the same everywhere', async () => {
    expect(await code(tenants().put(tenant, { ring: 'pilot' }, { by: 'ann', reason: ' ' }))).toBe('reason_missing')
    for (const id of ['', 'a\0b', '\ud800', 'x'.repeat(257)]) {
      expect(await code(tenants().put(id, { ring: 'pilot' }, author))).toBe('invalid_id')
    }
  })

  it('takes any other name, those of JavaScript itself too, into the snapshot', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'a/b.c$d', '日本']
    for (const name of names) await tenants().put(name, { ring: 'pilot' }, author)
    const known = Object.keys((await ground.snapshot()).tenants)
    for (const name of names) expect(known).toContain(name)
  })

  const entries = () => ground.store.database.collection<{ _id: string }>('tenantEntries')
  const heads = () => ground.store.database.collection<{ _id: string }>('tenants')
  it.each<readonly [string, () => Promise<unknown>]>([
    [
      'an entry has another ring',
      () => entries().updateOne({ _id: `${tenant}/1` }, { $set: { 'state.ring': 'internal' } }),
    ],
    ['an entry was dated back', () => entries().updateOne({ _id: `${tenant}/2` }, { $inc: { at: -1 } })],
    ['an entry is gone', () => entries().deleteOne({ _id: `${tenant}/1` })],
    ['the newest entry is gone', () => entries().deleteOne({ _id: `${tenant}/2` })],
    ['the head has another ring', () => heads().updateOne({ _id: tenant }, { $set: { 'state.ring': 'internal' } })],
    ['the head is gone', () => heads().deleteOne({ _id: tenant })],
  ])('shows that %s', async (_, tamper) => {
    await tenants().put(tenant, { ring: 'pilot' }, author)
    await tenants().put(tenant, { ring: 'early' }, author)
    await tamper()
    expect(await code(tenants().verify(tenant))).toBe('chain_broken')
  })
})

describe('an opt-out', () => {
  it('pins the incumbent of each lane at that moment, with the head it was read at', async () => {
    await lane.settle(v0)
    await ground.judge(v1, v0, { policy: ground.staged })
    await lane.settle(v1, { environment: 'staging', policy: ground.staged })
    await lane.step(v1, { releaseId: 'r1' })
    await tenants().optOut(tenant, lane.task, author)
    const expected = { production: { composite: v0, head: 2 }, staging: { composite: v1, head: 1 } }
    expect((await settings())?.optOut).toEqual(expected)
    await lane.settle(v1, { releaseId: 'r1' })
    expect((await settings())?.optOut).toEqual(expected)
    await tenants().reset(tenant, lane.task, author)
    expect(await settings()).toEqual({})
  })

  it('has nothing to stay on where nothing is settled', async () => {
    expect(await code(tenants().optOut(tenant, lane.task, author))).toBe('not_found')
    await lane.step(v0)
    expect(await code(tenants().optOut(tenant, lane.task, author))).toBe('not_found')
    expect(await tenants().current(tenant)).toBeUndefined()
  })

  it('keeps whether the tenant runs the task', async () => {
    await lane.settle(v0)
    await tenants().setRuns(tenant, lane.task, true, author)
    await tenants().optOut(tenant, lane.task, author)
    expect(await settings()).toEqual({ runs: true, optOut: { production: { composite: v0, head: 1 } } })
    await tenants().reset(tenant, lane.task, author)
    expect(await settings()).toEqual({ runs: true })
  })
})

describe('an override', () => {
  it('is pending until its composite is deployable against its base, and changes nothing until then', async () => {
    await lane.settle(v0)
    const fresh = await ground.composite(51)
    expect(await refusal(override(v0, fresh))).toMatchObject({
      code: 'tenant_pending',
      details: { candidate: fresh, incumbent: v0 },
    })
    await ground.judge(fresh, undefined)
    await ground.judge(fresh, v1)
    await ground.judge(fresh, v0, { verdict: 'fail' })
    expect(await code(override(v0, fresh))).toBe('tenant_pending')
    expect(await tenants().current(tenant)).toBeUndefined()
    await ground.judge(fresh, v0)
    await override(v0, fresh)
    expect((await settings())?.override).toEqual({ base: v0, pins: { production: { composite: fresh, head: 1 } } })
  })

  it('is made from what serves, never from a candidate, from what was withdrawn or from what it moved away from', async () => {
    await ground.judge(own, v0)
    await ground.judge(own, v1)
    expect(await code(override(v0))).toBe('lane_moved')
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    expect(await refusal(override(v1))).toMatchObject({ code: 'lane_moved', details: { base: v1 } })
    await lane.settle(v1, { releaseId: 'r1' })
    expect(await code(override(v0))).toBe('lane_moved')
    await override(v1)
    await lane.rollback({ releaseId: 'r1' })
    expect(
      await code(
        tenants().override(
          { tenant: `${tenant}-b`, task: lane.task, base: v1, composite: own, policy: ground.policy },
          author,
        ),
      ),
    ).toBe('lane_moved')
  })

  it('brings back no composite that is vetoed, until the veto is lifted', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    await lane.rollback({ releaseId: 'r1', veto: true })
    expect(await code(override(v0, v1))).toBe('vetoed')
    expect(await tenants().current(tenant)).toBeUndefined()
    const place = { environment: production, task: lane.task }
    await ground.store.ledger.liftHold({ ...place, veto: v1, ...author })
    await override(v0, v1)
    expect((await settings())?.override?.pins[production]?.composite).toBe(v1)
  })

  it('stays pinned while its base moves on, until it is reset', async () => {
    await ground.judge(own, v0)
    await lane.settle(v0)
    await override(v0)
    await lane.settle(v1)
    await tenants().put(tenant, { ring: 'early' }, author)
    expect((await settings())?.override?.pins[production]).toEqual({ composite: own, head: 1 })
    await tenants().reset(tenant, lane.task, author)
    expect(await settings()).toEqual({})
  })
})
