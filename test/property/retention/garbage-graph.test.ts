import fc from 'fast-check'
import type { Plan } from '../../../src/domain/plan'
import { defaultRetention, garbagePhases } from '../../../src/domain/retention'
import type { Digest } from '../../../src/domain/version'
import { SluiceError } from '../../../src/errors'
import { canonicalJson, textDigest } from '../../../src/store/canonical'
import { createRowReader } from '../../../src/store/row-reader'
import { registration } from '../../support/contents'
import { runs } from '../../support/effort'
import { author, type LaneGround, laneGround, type TestLane } from '../../support/lane-ground'
import { agedBy } from '../../support/retention'

/** Rows that datasets of one world are made of: few, so that most stand in several of them. */
const poolSize = 5

interface Thing {
  readonly ref: string
  readonly content: unknown
  readonly digest: Digest
  readonly references: readonly Digest[]
  readonly parents: readonly Digest[]
  /** Of a dataset. */
  readonly root?: Digest
  readonly rows: readonly Digest[]
}

interface Composed {
  readonly pins: readonly Digest[]
  readonly parents: Digest[]
}

/** What a person would say is needed, as plain sets. */
class Model {
  readonly things = new Map<Digest, Thing>()
  readonly composites = new Map<Digest, Composed>()
  readonly served = new Set<Digest>()
  readonly releases = new Map<string, { readonly composite: Digest; readonly suite: Digest }>()
  readonly rescores = new Map<string, { readonly composite: Digest; readonly suite: Digest }>()
  /** Since the last ageing somebody may have marked it: it may stay, and need not. */
  readonly touched = new Set<Digest>()
  /** Dropped while nothing needed it; what is needed later does not bring it back. */
  readonly gone = new Set<Digest>()

  /** It, and all that it refers to. */
  below(digest: Digest): readonly Digest[] {
    return [digest, ...(this.things.get(digest)?.references ?? []).flatMap((reference) => this.below(reference))]
  }

  under(composite: Digest): readonly Digest[] {
    return (this.composites.get(composite)?.pins ?? []).flatMap((pin) => this.below(pin))
  }

  /** With the immediate parents of the composite and of all that it rests on. */
  withParents(composite: Digest): readonly Digest[] {
    const own = this.under(composite)
    const elders = (this.composites.get(composite)?.parents ?? []).flatMap((parent) => this.under(parent))
    const parents = own.flatMap((digest) => this.things.get(digest)?.parents ?? [])
    return [...own, ...elders, ...parents.flatMap((parent) => this.below(parent))]
  }

  needed(): ReadonlySet<Digest> {
    const [releases, rescores] = [[...this.releases.values()], [...this.rescores.values()]]
    const serving = [...this.served, ...releases.map(({ composite }) => composite)]
    return new Set([
      ...serving.flatMap((composite) => this.withParents(composite)),
      ...rescores.flatMap(({ composite }) => this.under(composite)),
      ...[...releases, ...rescores].flatMap(({ suite }) => this.below(suite)),
    ])
  }

  touch(digests: readonly Digest[]): void {
    for (const digest of digests) this.touched.add(digest)
  }
}

interface World {
  readonly id: string
  readonly ground: LaneGround
  readonly lanes: readonly TestLane[]
  readonly model: Model
  count: number
}

type Act = (world: World) => Promise<void>

const pick = <T>(items: readonly T[], at: number): T | undefined => items[at % Math.max(1, items.length)]
const thing = ({ model }: World, kind: string, at: number) =>
  pick(
    [...model.things.values()].filter(({ ref }) => ref.startsWith(`${kind}/`)),
    at,
  )
const composed = ({ model }: World, at: number) => pick([...model.composites.keys()], at)
const rowOf = (world: World, number: number) => ({ id: `${world.id}-${number}`, text: `row ${number} of ${world.id}` })
const rowDigest = (world: World, number: number): Digest => textDigest(canonicalJson(rowOf(world, number)))

/** False: refused, since something of it was dropped. Nothing else may be refused, but for what the codes say. */
async function unlessDropped(work: () => Promise<unknown>, codes: readonly string[] = []): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof SluiceError && ['content_dropped', ...codes].includes(error.code)) return false
    throw error
  }
}

async function register(world: World, kind: string, content: unknown, of: Partial<Thing> = {}): Promise<void> {
  const { model, ground } = world
  world.count += 1
  const ref = `${kind}/${world.id}-${world.count}@1.0.0`
  const { parents = [], references = [], rows = [] } = of
  model.touch([...references.flatMap((reference) => model.below(reference)), ...rows])
  await unlessDropped(async () => {
    const { version } = await ground.store.catalog.register({ ...registration(ref, content), parents })
    const { digest } = version
    const root = kind === 'dataset' ? { root: (version.content as { root: Digest }).root } : {}
    if (!model.things.has(digest))
      model.things.set(digest, { ref, content, digest, references, parents, rows, ...root })
    model.gone.delete(digest)
    model.touch([...model.below(digest), ...rows])
  })
}

const pushPrompt =
  (at: number): Act =>
  async (world) => {
    const parent = thing(world, 'prompt', at)
    const text = `Prompt ${world.count} of ${world.id}: {{transcript}}`
    await register(world, 'prompt', { text }, { parents: parent === undefined ? [] : [parent.digest] })
  }

/** `members`: which rows of the pool, as bits. */
const pushDataset =
  (members: number): Act =>
  async (world) => {
    const numbers = Array.from({ length: poolSize }, (_, number) => number).filter((number) => members & (1 << number))
    const rows = numbers.map((number) => rowDigest(world, number))
    await register(world, 'dataset', { rows: numbers.map((number) => rowOf(world, number)) }, { rows })
  }

const pushSuite =
  (at: number): Act =>
  async (world) => {
    const dataset = thing(world, 'dataset', at)
    if (dataset === undefined) return
    const scorers = [{ name: 'mood', scorer: 'field', options: { path: `mood-${world.id}-${world.count}` } }]
    const content = { dataset: dataset.ref, scorers, primary: 'mood', thresholds: { minAccuracy: 0.5 } }
    await register(world, 'suite', content, { references: [dataset.digest] })
  }

const pushIndex =
  (at: number): Act =>
  async (world) => {
    const dataset = thing(world, 'dataset', at)
    if (dataset === undefined) return
    const model = `embed-${world.id}-${world.count}`
    await register(world, 'embedding', { endpoint: 'local', model, dimensions: 8, pricePerMillion: 0.02 })
    const embedding = [...world.model.things.values()].at(-1) as Thing
    const artifact = { digest: textDigest(model), uri: `s3://indexes/${model}` }
    const content = { embedding: embedding.ref, dataset: dataset.ref, artifact }
    await register(world, 'index', content, { references: [embedding.digest, dataset.digest] })
  }

const compose =
  (at: number, indexAt: number): Act =>
  async (world) => {
    const { model, ground } = world
    const prompt = thing(world, 'prompt', at)
    const index = indexAt % 2 === 0 ? thing(world, 'index', indexAt) : undefined
    if (prompt === undefined) return
    const elder = composed(world, indexAt)
    const pins = [prompt, index].flatMap((pin) => pin?.digest ?? [])
    // What is refused may have been marked in part.
    model.touch(pins.flatMap((pin) => model.below(pin)))
    const roles = { prompt: prompt.ref, engine: 'engine/small@1.0.0', ...(index ? { index: index.ref } : {}) }
    await unlessDropped(async () => {
      const { id } = await ground.store.catalog.commitComposite(roles, elder === undefined ? [] : [elder])
      const { parents } = await ground.store.catalog.compositeRecord(id)
      model.composites.set(id, { pins, parents: [...parents] })
      model.touch(model.withParents(id))
    })
  }

const deploy =
  (at: number, laneAt: number): Act =>
  async (world) => {
    const [composite, lane] = [composed(world, at), pick(world.lanes, laneAt)]
    if (composite === undefined || lane === undefined) return
    const { incumbent } = await lane.state('production')
    world.model.touch(world.model.withParents(composite))
    await world.ground.judge(composite, incumbent === composite ? undefined : incumbent)
    if (!(await unlessDropped(() => lane.settle(composite), ['change_breaks']))) return
    world.model.served.add(composite)
  }

const openRelease =
  (at: number, suiteAt: number): Act =>
  async (world) => {
    const { model, ground } = world
    const [composite, suite, lane] = [composed(world, at), thing(world, 'suite', suiteAt), pick(world.lanes, at)]
    if (composite === undefined || suite === undefined || lane === undefined) return
    world.count += 1
    const id = `release-${world.id}-${world.count}`
    const request = { task: lane.task, change: {}, why: 'for a test' }
    const plan = { request, task: lane.task, candidate: composite, policy: ground.policy, suite: suite.digest }
    const { releases } = ground.store
    await unlessDropped(async () => {
      const planned = await releases.putPlan(plan as unknown as Plan)
      await releases.adopt({ id, task: lane.task, request, author: 'ann', workflowId: `release/${id}`, runId: id })
      await releases.update(id, { plan: planned, candidate: composite })
      model.releases.set(id, { composite, suite: suite.digest })
    })
    model.touch([...model.withParents(composite), ...model.below(suite.digest)])
  }

const closeRelease =
  (at: number): Act =>
  async ({ ground, model }) => {
    const id = pick([...model.releases.keys()], at)
    if (id === undefined) return
    await ground.store.releases.update(id, { phase: 'done' })
    model.releases.delete(id)
  }

const openRescore =
  (at: number, suiteAt: number): Act =>
  async (world) => {
    const { model, ground } = world
    const [composite, suite] = [composed(world, at), thing(world, 'suite', suiteAt)]
    if (composite === undefined || suite === undefined) return
    world.count += 1
    const items = [{ composite, reason: 'recent', places: [] }] as const
    const plan = { task: `${world.id}-${world.count}`, suite: suite.digest, policy: ground.policy, items }
    const { id } = await ground.store.rescores.open(plan, 'ann')
    model.rescores.set(id, { composite, suite: suite.digest })
  }

const closeRescore =
  (at: number): Act =>
  async ({ ground, model }) => {
    const id = pick([...model.rescores.keys()], at)
    if (id === undefined) return
    await ground.store.rescores.close(id, 'cancelled')
    model.rescores.delete(id)
  }

const restore =
  (at: number): Act =>
  async ({ ground, model }) => {
    const found = pick([...model.things.values()], at)
    if (found === undefined) return
    model.touch([...model.below(found.digest), ...found.rows])
    const again = { ...registration(found.ref, found.content), parents: found.parents }
    if (!(await unlessDropped(() => ground.store.catalog.register(again)))) return
    model.gone.delete(found.digest)
  }

const age: Act = async ({ ground, model }) => {
  await agedBy(ground.store.database, 100)
  model.touched.clear()
}

const collect: Act = async (world) => {
  const { garbage } = world.ground.store
  const run = await garbage.open('ann')
  for (const phase of garbagePhases) await garbage.collect(run.id, phase)
  await garbage.close(run.id, 'done')
  await requireThings(world)
  await requireRows(world)
}

/** A version is dropped on all its labels or on none. */
async function requireThings({ ground, model }: World): Promise<void> {
  const { catalog, database } = ground.store
  const needed = model.needed()
  for (const { digest, ref, root, rows } of model.things.values()) {
    const labels = await database.collection('versions').find({ digest }).toArray()
    const states = new Set(labels.map(({ dropped }) => dropped === undefined))
    if (states.size !== 1) throw new Error(`${ref} is dropped under some of its labels`)
    const isKept = states.has(true)
    if (needed.has(digest) && !isKept && !model.gone.has(digest)) throw new Error(`${ref} is needed and was dropped`)
    if (!needed.has(digest) && isKept && !model.touched.has(digest))
      throw new Error(`nothing needs ${ref}: it was kept`)
    if (!isKept) model.gone.add(digest)
    if (!isKept) continue
    await catalog.version(ref)
    let read = 0
    if (root !== undefined) for await (const _ of createRowReader(database).texts(root)) read += 1
    if (read !== rows.length) throw new Error(`${ref} has ${read} of its ${rows.length} rows`)
  }
}

/** A row stays as long as one dataset that stands has it. */
async function requireRows(world: World): Promise<void> {
  const { ground, model } = world
  const standing = [...model.things.values()].filter(({ digest }) => !model.gone.has(digest))
  const named = new Set(standing.flatMap(({ rows }) => rows))
  for (let number = 0; number < poolSize; number += 1) {
    const row = rowDigest(world, number)
    const stored = await ground.store.database.collection<{ _id: Digest }>('rows').countDocuments({ _id: row })
    if (named.has(row) && stored === 0) throw new Error(`row ${number} is named and was dropped`)
    if (!named.has(row) && stored > 0 && !model.touched.has(row)) throw new Error(`row ${number} is kept for nothing`)
  }
}

const number = fc.nat(30)
const members = fc.integer({ min: 1, max: 2 ** poolSize - 1 })
const one = (weight: number, name: string, of: (at: number) => Act) => ({
  weight,
  arbitrary: number.map((at) => [name, of(at)] as const),
})
const two = (weight: number, name: string, of: (at: number, other: number) => Act) => ({
  weight,
  arbitrary: fc.tuple(number, number).map(([at, other]) => [name, of(at, other)] as const),
})
const act: fc.Arbitrary<readonly [string, Act]> = fc.oneof(
  one(4, 'push prompt', pushPrompt),
  { weight: 4, arbitrary: members.map((bits) => ['push dataset', pushDataset(bits)] as const) },
  one(2, 'push suite', pushSuite),
  one(3, 'push index', pushIndex),
  two(5, 'compose', compose),
  two(2, 'deploy', deploy),
  two(3, 'open release', openRelease),
  one(1, 'close release', closeRelease),
  two(3, 'open rescore', openRescore),
  one(1, 'close rescore', closeRescore),
  one(1, 'restore', restore),
  { weight: 2, arbitrary: fc.constant(['age', age] as const) },
  { weight: 2, arbitrary: fc.constant(['collect', collect] as const) },
)

let ground: LaneGround
beforeAll(async () => {
  ground = await laneGround()
  await ground.store.garbage.setPolicy({ ...defaultRetention, heavyBytes: 0, automatic: false }, author)
})
afterAll(() => ground.end())

it('keeps what rests on what is needed, down to each row, and nothing else', async () => {
  let worlds = 0
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 15, maxLength: 50 }), async (acts) => {
      worlds += 1
      const lanes = [await ground.lane(), await ground.lane()]
      const world: World = { id: `w${worlds}`, ground, lanes, model: new Model(), count: 0 }
      for (const [, work] of acts) await work(world)
      await age(world)
      await collect(world)
      // What was open is over: its roots no longer hold anything.
      for (const id of world.model.releases.keys()) await ground.store.releases.update(id, { phase: 'done' })
      for (const id of world.model.rescores.keys()) await ground.store.rescores.close(id, 'cancelled')
      world.model.releases.clear()
      world.model.rescores.clear()
      await collect(world)
    }),
    { endOnFailure: true, seed: 1_204_517, numRuns: Number(process.env.RETENTION_RUNS ?? runs(5)) },
  )
})
