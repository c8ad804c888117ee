import fc from 'fast-check'
import type { Digest } from '../../../src/domain/version'
import { SluiceError } from '../../../src/errors'
import type { Store } from '../../../src/store/store'
import { registration } from '../../support/contents'
import { runs } from '../../support/effort'
import { author, type LaneGround, laneGround, type TestLane } from '../../support/lane-ground'

const days = 24 * 3_600_000
const heavy = 'x'.repeat(5_000)

/** What a person would say is needed: plain sets, walked without pages, tiers or queues. */
class Model {
  readonly pins = new Map<Digest, readonly Digest[]>()
  readonly parents = new Map<Digest, readonly Digest[]>()
  readonly served = new Set<Digest>()
  readonly recent = new Set<Digest>()
  /** Dropped while nothing needed it. A child that serves later does not bring its parent back. */
  readonly gone = new Set<Digest>()

  needed(): ReadonlySet<Digest> {
    const kept = new Set<Digest>()
    for (const composite of [...this.served, ...this.recent]) {
      for (const pin of this.pins.get(composite) ?? []) {
        kept.add(pin)
        if (this.served.has(composite)) for (const parent of this.parents.get(pin) ?? []) kept.add(parent)
      }
    }
    return kept
  }
}

interface World {
  readonly ground: LaneGround
  readonly lanes: readonly TestLane[]
  readonly model: Model
  readonly prompts: { digest: Digest; ref: string; content: { text: string }; parents: readonly Digest[] }[]
  readonly composites: Digest[]
  readonly id: string
}

type Act = (world: World) => Promise<void>

const pick = <T>(items: readonly T[], at: number): T | undefined => items[at % Math.max(1, items.length)]

const push =
  (parentAt: number): Act =>
  async (world) => {
    const { store } = world.ground
    const parent = pick(world.prompts, parentAt)
    const ref = `prompt/w${world.id}-${world.prompts.length}@1.0.0`
    const content = { text: `${ref} ${heavy} {{transcript}}` }
    const parents = parent === undefined ? [] : [parent.digest]
    const { version } = await store.catalog.register({ ...registration(ref, content), parents })
    world.prompts.push({ digest: version.digest, ref, content, parents })
    world.model.parents.set(version.digest, parents)
    // Alone it is recent until the clock moves.
    world.model.pins.set(version.digest, [version.digest])
    world.model.recent.add(version.digest)
  }

/** What was dropped is refused with its code; nothing else may be. */
async function unlessDropped(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'content_dropped') return false
    throw error
  }
}

const compose =
  (at: number): Act =>
  async (world) => {
    const prompt = pick(world.prompts, at)
    if (prompt === undefined) return
    await unlessDropped(async () => {
      const roles = { prompt: prompt.ref, engine: 'engine/small@1.0.0' }
      const { id, roles: pins } = await world.ground.store.catalog.commitComposite(roles)
      if (!world.composites.includes(id)) world.composites.push(id)
      world.model.pins.set(
        id,
        Object.values(pins).map(({ digest }) => digest),
      )
      world.model.recent.add(id)
    })
  }

const deploy =
  (at: number, laneAt: number, environment: string): Act =>
  async (world) => {
    const composite = pick(world.composites, at)
    const lane = pick(world.lanes, laneAt)
    if (composite === undefined || lane === undefined) return
    const { ground } = world
    const policy = environment === 'staging' ? ground.staged : ground.policy
    const { incumbent } = await lane.state('production')
    await ground.judge(composite, incumbent === composite ? undefined : incumbent, { policy })
    const served = await unlessDropped(() => lane.settle(composite, { environment, policy }))
    if (served) world.model.served.add(composite)
  }

const rollback =
  (laneAt: number): Act =>
  async (world) => {
    const lane = pick(world.lanes, laneAt)
    if (lane === undefined) return
    await lane.rollback().catch((error: unknown) => {
      if (!(error instanceof SluiceError && error.code === 'no_previous')) throw error
    })
  }

const override =
  (at: number, laneAt: number): Act =>
  async (world) => {
    const composite = pick(world.composites, at)
    const lane = pick(world.lanes, laneAt)
    if (composite === undefined || lane === undefined) return
    const { ground } = world
    const { incumbent } = await lane.state('production')
    if (incumbent === undefined || incumbent === composite) return
    await ground.judge(composite, incumbent)
    const request = { tenant: `t${at}`, task: lane.task, base: incumbent, composite, policy: ground.policy }
    if (await unlessDropped(() => ground.store.tenants.override(request, author))) world.model.served.add(composite)
  }

const evaluate =
  (at: number): Act =>
  async (world) => {
    const composite = pick(world.composites, at)
    if (composite === undefined) return
    const { store, policy } = world.ground
    const { suiteDigest } = await store.catalog.task((world.lanes[0] as TestLane).task)
    const id = `e${world.id}-${at}-${world.prompts.length}`
    const key = { candidate: composite, suite: suiteDigest, policy }
    if (await unlessDropped(() => store.evaluations.begin(id, key, 'ann'))) {
      await store.evaluations.end(id, 'failed')
      world.model.recent.add(composite)
      // What is evaluated may be deployed next, which keeps its parents for ever: until then they are as recent as it is.
      for (const pin of world.model.pins.get(composite) ?? []) {
        for (const parent of world.model.parents.get(pin) ?? []) world.model.recent.add(parent)
      }
    }
  }

/** Everything was done a hundred days earlier than it was. */
const age: Act = async ({ ground: { store }, model }) => {
  const { database } = store
  const earlier = (field: string) => ({
    $cond: [{ $gt: [`$${field}`, null] }, { $subtract: [`$${field}`, 100 * days] }, '$$REMOVE'],
  })
  for (const name of ['versions', 'composites']) {
    await database
      .collection(name)
      .updateMany({}, [{ $set: { createdAt: earlier('createdAt'), usedAt: earlier('usedAt') } }])
  }
  await database.collection('evaluations').updateMany({}, [{ $set: { updatedAt: earlier('updatedAt') } }])
  model.recent.clear()
}

async function readable(store: Store, digest: Digest): Promise<boolean> {
  return unlessDropped(() => store.catalog.byDigest('prompt', digest))
}

const collect: Act = async (world) => {
  const { store } = world.ground
  const run = await store.garbage.open('ann')
  for (const phase of ['versions', 'outputs', 'rows', 'captures'] as const) await store.garbage.collect(run.id, phase)
  const needed = world.model.needed()
  for (const { digest, ref } of world.prompts) {
    const kept = await readable(store, digest)
    if (needed.has(digest) && !kept && !world.model.gone.has(digest))
      throw new Error(`${ref} is needed and was dropped`)
    if (!needed.has(digest) && kept) throw new Error(`${ref} is needed by nothing and was kept`)
    if (!kept) world.model.gone.add(digest)
  }
  for (const composite of world.model.served) await store.catalog.composite(composite)
}

const restore =
  (at: number): Act =>
  async (world) => {
    const prompt = pick(world.prompts, at)
    if (prompt === undefined) return
    const { store } = world.ground
    const again = { ...registration(prompt.ref, prompt.content), parents: prompt.parents }
    expect((await store.catalog.register(again)).version.digest).toBe(prompt.digest)
    expect(await readable(store, prompt.digest)).toBe(true)
    world.model.gone.delete(prompt.digest)
    world.model.recent.add(prompt.digest)
  }

const number = fc.nat(30)
const act: fc.Arbitrary<readonly [string, Act]> = fc.oneof(
  { weight: 5, arbitrary: number.map((at) => ['push', push(at)] as const) },
  { weight: 5, arbitrary: number.map((at) => ['compose', compose(at)] as const) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(number, number, fc.constantFrom('production', 'staging'))
      .map(([at, lane, place]) => [`deploy in ${place}`, deploy(at, lane, place)] as const),
  },
  { weight: 1, arbitrary: number.map((lane) => ['rollback', rollback(lane)] as const) },
  { weight: 2, arbitrary: fc.tuple(number, number).map(([at, lane]) => ['override', override(at, lane)] as const) },
  { weight: 2, arbitrary: number.map((at) => ['evaluate', evaluate(at)] as const) },
  { weight: 2, arbitrary: fc.constant(['age', age] as const) },
  { weight: 3, arbitrary: fc.constant(['collect', collect] as const) },
  { weight: 1, arbitrary: number.map((at) => ['restore', restore(at)] as const) },
)

let ground: LaneGround
beforeAll(async () => {
  ground = await laneGround()
})
afterAll(() => ground.end())

it('drops everything that nothing needs, and nothing else, whatever came before', async () => {
  let worlds = 0
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), async (acts) => {
      worlds += 1
      const lanes = [await ground.lane(), await ground.lane()]
      const world: World = { ground, lanes, model: new Model(), prompts: [], composites: [], id: String(worlds) }
      for (const [, work] of acts) await work(world)
      await age(world)
      await collect(world)
    }),
    { endOnFailure: true, seed: -1288300026, numRuns: Number(process.env.RETENTION_RUNS ?? runs(8)) },
  )
})
