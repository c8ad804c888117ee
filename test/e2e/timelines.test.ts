import { compileSnapshot } from '../../src/domain/compiled-snapshot'
import { type ResolveRequest, resolve, type Served, type Skipped } from '../../src/domain/resolve'
import { horizonMs, type Snapshot } from '../../src/domain/snapshot'
import type { Digest } from '../../src/domain/version'
import { SnapshotBuilder } from '../../src/store/snapshots'
import { author, type LaneGround, laneGround, production, refusal, type TestLane } from '../support/lane-ground'
import { liftAll } from '../support/lift'

let ground: LaneGround
let lane: TestLane
let v0: Digest
let v1: Digest
let v2: Digest
let v3: Digest
let acme: string

beforeAll(async () => {
  ground = await laneGround()
  ;[v0, v1, v2, v3] = (await ground.tested(4)) as [Digest, Digest, Digest, Digest]
})
beforeEach(async () => {
  lane = await ground.lane()
  acme = `acme-${lane.task}`
})
afterAll(() => ground.end())

const everyone = [{ to: 'rest', basisPoints: 10_000, by: 'conversation' }] as const
/** After every lead, so that the newest entries count. */
const soon = 60_000
const now = () => ground.store.database.now()

type Question = Omit<ResolveRequest, 'task' | 'tenant' | 'conversation'> & {
  readonly tenant?: string
  readonly conversation?: string
}

function ask(snapshot: Snapshot, { tenant = acme, conversation = 'c-1', ...question }: Question): Served | Skipped {
  return resolve(compileSnapshot(snapshot), { task: lane.task, tenant, conversation, ...question })
}

async function answer(question: Question): Promise<Served | Skipped> {
  return ask(await ground.snapshot(), question)
}

/** What a conversation that begins now is served; a test that counts on it being served fails here. */
async function begin(question: Question = {}): Promise<Served> {
  const served = await answer({ startedAt: (await now()) + soon, ...question })
  if ('skip' in served) throw new Error(`skipped: ${served.skip}`)
  return served
}

const brief = (served: Served | Skipped) =>
  'skip' in served ? served : { id: served.composite.id, arm: served.arm, reason: served.reason }

describe('rule 1: a disabled head skips and touches no binding', () => {
  it('disable and enable in the middle of a ramp: bindings are back as they were, and the ramp goes on', async () => {
    await lane.settle(v0)
    const old = await begin({ conversation: 'old' })
    await lane.step(v1, { releaseId: 'r1', exposure: everyone })
    const young = await begin({ conversation: 'young' })
    await lane.flag(true)
    for (const { binding } of [old, young]) expect(await answer({ binding })).toEqual({ skip: 'disabled' })
    const during = await now()
    await lane.flag(false)
    expect(await answer({ conversation: 'old', binding: old.binding })).toEqual(old)
    expect(await answer({ conversation: 'young', binding: young.binding })).toEqual(young)
    expect(brief(await answer({ conversation: 'between', startedAt: during }))).toEqual({
      id: v1,
      arm: 'candidate',
      reason: 'slice',
    })
    expect((await lane.step(v1, { releaseId: 'r1', exposure: everyone, expectedBase: 2 })).entry.seq).toBe(5)
    expect(await answer({ conversation: 'young', binding: young.binding })).toEqual(young)
  })

  it('a rollback while disabled acts when the lane is enabled again, on who was on the candidate only', async () => {
    await lane.settle(v0)
    const old = await begin()
    await lane.step(v1, { releaseId: 'r1', exposure: everyone })
    const young = await begin()
    await lane.flag(true)
    await lane.rollback({ releaseId: 'r1' })
    expect(await answer({ binding: young.binding })).toEqual({ skip: 'disabled' })
    await lane.flag(false)
    expect(brief(await answer({ binding: young.binding }))).toEqual({ id: v0, arm: 'none', reason: 'revoked' })
    expect(await answer({ binding: old.binding })).toEqual(old)
  })
})

describe('rule 2: a conversation is bound to the entries that it began under', () => {
  it('a conversation from before the first entry is skipped, however it is known later', async () => {
    const before = (await now()) - 1
    await lane.settle(v0)
    expect(await answer({ startedAt: before })).toEqual({ skip: 'before_first_entry' })
    await lane.settle(v1)
    expect(await answer({ startedAt: before })).toEqual({ skip: 'before_first_entry' })
  })

  it('a step that is written ahead counts from its moment on, and a conversation begun before it stays', async () => {
    await lane.settle(v0)
    const { at } = (await lane.step(v1, { releaseId: 'r1', exposure: everyone, leadMs: 30_000 })).entry
    expect(brief(await answer({ startedAt: at - 1 }))).toEqual({ id: v0, arm: 'none', reason: 'settled' })
    expect(brief(await answer({ startedAt: at }))).toEqual({ id: v1, arm: 'candidate', reason: 'slice' })
  })

  it('a conversation outlives releases for one horizon after the entry that followed its own, then it is expired', async () => {
    await lane.settle(v0)
    const first = await begin()
    const { at } = (await lane.settle(v1)).entry
    await lane.settle(v2)
    const builder = new SnapshotBuilder(ground.store)
    const last = await builder.build(production, at + horizonMs - 1)
    expect(ask(last, { binding: first.binding })).toEqual(first)
    const gone = await builder.build(production, at + horizonMs)
    expect(ask(gone, { binding: first.binding })).toEqual({ skip: 'conversation_expired' })
  })
})

describe('rule 3: what a tenant decided counts for conversations begun after it', () => {
  it('ring, override and opt-out edited in the middle of a conversation leave it where it is', async () => {
    const own = await ground.composite(60)
    await ground.judge(own, v0)
    await lane.settle(v0)
    await lane.step(v1, {
      releaseId: 'r1',
      exposure: [{ to: { ring: 'pilot' }, basisPoints: 10_000, by: 'conversation' }],
    })
    const outside = await begin()
    expect(brief(outside)).toEqual({ id: v0, arm: 'none', reason: 'no_slice' })
    const { tenants } = ground.store
    const edits: readonly (readonly [() => Promise<{ at: number }>, object])[] = [
      [() => tenants.put(acme, { ring: 'pilot' }, author), { id: v1, arm: 'candidate', reason: 'slice' }],
      [() => tenants.optOut(acme, lane.task, author), { id: v0, arm: 'none', reason: 'opt_out' }],
      [
        () =>
          tenants.override({ tenant: acme, task: lane.task, base: v0, composite: own, policy: ground.policy }, author),
        { id: own, arm: 'none', reason: 'override' },
      ],
      [() => tenants.reset(acme, lane.task, author), { id: v1, arm: 'candidate', reason: 'slice' }],
      [() => tenants.setRuns(acme, lane.task, false, author), { skip: 'not_subscribed' }],
    ]
    const begun = [outside]
    for (const [edit, expected] of edits) {
      const { at } = await edit()
      expect(brief(await answer({ startedAt: at - 1 }))).toEqual(brief(begun.at(-1) as Served))
      const fresh = await answer({ startedAt: at + 1 })
      expect(brief(fresh)).toEqual(expected)
      for (const earlier of begun) expect(await answer({ binding: earlier.binding })).toEqual(earlier)
      if (!('skip' in fresh)) begun.push(fresh)
    }
  })

  it('an opt-out of the middle of a ramp stays on the incumbent of that moment when the release settles', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1', exposure: everyone })
    await ground.store.tenants.optOut(acme, lane.task, author)
    await lane.settle(v1, { releaseId: 'r1' })
    expect(brief(await begin())).toEqual({ id: v0, arm: 'none', reason: 'opt_out' })
    expect(brief(await begin({ tenant: 'globex' }))).toEqual({ id: v1, arm: 'none', reason: 'settled' })
  })
})

describe('rule 4: the first release of a task', () => {
  it('serves who is exposed and skips the rest; when it fails, nothing is deployed, and the task is off', async () => {
    await ground.store.tenants.put(acme, { ring: 'pilot' }, author)
    await lane.step(v0, {
      releaseId: 'r1',
      exposure: [{ to: { ring: 'pilot' }, basisPoints: 10_000, by: 'conversation' }],
    })
    const pilot = await begin()
    expect(brief(pilot)).toEqual({ id: v0, arm: 'candidate', reason: 'slice' })
    expect(await answer({ tenant: 'globex', startedAt: (await now()) + soon })).toEqual({ skip: 'not_deployed' })
    await lane.rollback({ releaseId: 'r1', hold: true, veto: true })
    expect(await answer({ binding: pilot.binding })).toEqual({ skip: 'disabled' })
    expect((await refusal(lane.step(v1, { releaseId: 'r2' }))).code).toBe('lane_disabled')
    await lane.flag(false)
    expect(await answer({ binding: pilot.binding })).toEqual({ skip: 'not_deployed' })
    await liftAll(ground.store.ledger, production, lane.task)
    await lane.settle(v1, { releaseId: 'r2' })
    expect(await answer({ binding: pilot.binding })).toEqual({ skip: 'not_deployed' })
    expect(brief(await begin())).toEqual({ id: v1, arm: 'none', reason: 'settled' })
  })
})

describe('rule 5: only the rollback of the very version moves a conversation', () => {
  it('a conversation on v0 while v2 rolls back stays, and so does one on v1', async () => {
    await lane.settle(v0)
    const onV0 = await begin({ conversation: 'zero' })
    await lane.settle(v1)
    const onV1 = await begin({ conversation: 'one' })
    await lane.step(v2, { releaseId: 'r2', exposure: everyone })
    const onV2 = await begin({ conversation: 'two' })
    await lane.rollback({ releaseId: 'r2', hold: true, veto: true })
    expect(await answer({ conversation: 'zero', binding: onV0.binding })).toEqual(onV0)
    expect(await answer({ conversation: 'one', binding: onV1.binding })).toEqual(onV1)
    const { binding, seq, tenantSeq } = onV2
    const moved = { arm: 'none', reason: 'revoked', slice: -1, binding, seq, tenantSeq }
    expect(await answer({ conversation: 'two', binding })).toMatchObject({ ...moved, composite: { id: v1 } })
  })

  it('two rollbacks in a row: each conversation ends on what is left, new ones too', async () => {
    const begun: Served[] = []
    for (const version of [v0, v1, v2]) {
      await lane.settle(version)
      begun.push(await begin())
    }
    await lane.rollback()
    const between = await begin()
    await lane.rollback()
    const ends = await Promise.all([...begun, between].map(({ binding }) => answer({ binding })))
    expect(ends.map(brief)).toEqual([
      { id: v0, arm: 'none', reason: 'settled' },
      ...Array.from({ length: 3 }, () => ({ id: v0, arm: 'none', reason: 'revoked' })),
    ])
    expect(brief(await begin())).toEqual({ id: v0, arm: 'none', reason: 'settled' })
  })

  it('a rollback acts on receipt, although its entry counts only after a head that is still ahead of the clock', async () => {
    await lane.settle(v0)
    await lane.settle(v1)
    const running = await begin()
    const { at } = (await lane.step(v2, { releaseId: 'r2', leadMs: 600_000 })).entry
    expect((await lane.rollback({ target: v0 }))?.entry.at).toBe(at + 1)
    expect(brief(await answer({ binding: running.binding }))).toEqual({ id: v0, arm: 'none', reason: 'revoked' })
    expect(brief(await answer({ startedAt: await now() }))).toEqual({ id: v0, arm: 'none', reason: 'revoked' })
  })

  it('a ramp down lets go of the last added for new conversations only', async () => {
    await lane.settle(v0)
    const ramp = (basisPoints: number) =>
      lane.step(v1, { releaseId: 'r1', exposure: [{ to: 'rest', basisPoints, by: 'conversation' }] })
    const names = Array.from({ length: 40 }, (_, index) => `c-${index}`)
    const arms = async () =>
      Promise.all(names.map(async (conversation) => (await begin({ conversation })).arm === 'candidate'))
    await ramp(2_000)
    const few = await arms()
    await ramp(8_000)
    const kept = await Promise.all(names.map((conversation) => begin({ conversation })))
    await ramp(2_000)
    expect(await arms()).toEqual(few)
    for (const [index, conversation] of names.entries()) {
      const { binding } = kept[index] as Served
      expect(await answer({ conversation, binding })).toEqual(kept[index])
    }
  })
})

describe('rule 5 for pins, beyond the horizon', () => {
  const later = async (margin = 2 * horizonMs) =>
    new SnapshotBuilder(ground.store).build(production, (await now()) + margin)
  const view = (snapshot: Snapshot) => snapshot.lanes[lane.task]

  it('an opt-out whose composite was revoked by an entry that left the horizon is moved all the same', async () => {
    // Nothing else names these two, so the snapshot holds them for the pin alone.
    const [old, older] = [await ground.composite(71), await ground.composite(70)]
    await ground.judge(older, undefined)
    await ground.judge(old, older)
    await ground.judge(v2, older)
    await lane.settle(older)
    await lane.settle(old)
    await ground.store.tenants.optOut(acme, lane.task, author)
    await lane.rollback()
    const rollback = (await lane.entries()).at(-1)
    await lane.settle(v2)
    await lane.settle(v3)
    const snapshot = await later()
    expect(view(snapshot)?.entries.map(({ seq }) => seq)).toEqual([5])
    expect(view(snapshot)?.olderRevocations).toEqual([{ seq: rollback?.seq, incumbent: older, revokes: [old] }])
    const startedAt = (await now()) + soon
    expect(brief(ask(snapshot, { startedAt }))).toEqual({ id: older, arm: 'none', reason: 'revoked' })
    expect(brief(ask(await ground.snapshot(), { startedAt }))).toEqual({ id: older, arm: 'none', reason: 'revoked' })
    expect(brief(ask(snapshot, { startedAt, tenant: 'globex' }))).toEqual({ id: v3, arm: 'none', reason: 'settled' })
  })

  it('a chain of rollbacks is followed to its end, whether its parts left the horizon or not', async () => {
    for (const version of [v0, v1, v2]) await lane.settle(version)
    await ground.store.tenants.optOut(acme, lane.task, author)
    await lane.rollback()
    await lane.rollback()
    const second = (await lane.entries()).at(-1)
    await lane.settle(v3)
    const half = await new SnapshotBuilder(ground.store).build(production, (second?.at ?? 0) + horizonMs)
    expect(view(half)?.entries.map(({ seq }) => seq)).toEqual([5, 6])
    expect(view(half)?.olderRevocations?.map(({ seq }) => seq)).toEqual([4])
    const whole = await later()
    expect(view(whole)?.olderRevocations?.map(({ seq }) => seq)).toEqual([4, 5])
    for (const snapshot of [half, whole]) {
      expect(brief(ask(snapshot, { startedAt: (await now()) + soon }))).toEqual({
        id: v0,
        arm: 'none',
        reason: 'revoked',
      })
    }
  })

  it('an override that was revoked goes to what the rollback went to; a reset ends it', async () => {
    await lane.settle(v0)
    const { tenants } = ground.store
    await tenants.override({ tenant: acme, task: lane.task, base: v0, composite: v1, policy: ground.policy }, author)
    await lane.settle(v1)
    await lane.rollback({ veto: true })
    await lane.settle(v2)
    const snapshot = await later()
    expect(brief(ask(snapshot, { startedAt: (await now()) + soon }))).toEqual({
      id: v0,
      arm: 'none',
      reason: 'revoked',
    })
    await tenants.reset(acme, lane.task, author)
    expect(brief(await begin())).toEqual({ id: v2, arm: 'none', reason: 'settled' })
  })

  it('rollbacks that no pin can meet leave the snapshot, and so does nothing else with them', async () => {
    for (const version of [v0, v1]) await lane.settle(version)
    await lane.rollback()
    await lane.settle(v2)
    await ground.store.tenants.optOut(acme, lane.task, author)
    const snapshot = await later()
    expect(view(snapshot)?.olderRevocations).toBeUndefined()
    expect(brief(ask(snapshot, { startedAt: (await now()) + soon }))).toEqual({
      id: v2,
      arm: 'none',
      reason: 'opt_out',
    })
  })

  it('an opt-out made after the rollback to a version that was revoked once stays on it', async () => {
    for (const version of [v0, v1, v0]) await lane.settle(version)
    await lane.rollback()
    await lane.rollback()
    await ground.store.tenants.optOut(acme, lane.task, author)
    await lane.settle(v2)
    for (const snapshot of [await ground.snapshot(), await later()]) {
      expect(brief(ask(snapshot, { startedAt: (await now()) + soon }))).toEqual({
        id: v0,
        arm: 'none',
        reason: 'opt_out',
      })
    }
  })
})
