import type { DatasetContent } from '../../../src/domain/contents'
import { type GarbagePhase, garbagePhases } from '../../../src/domain/retention'
import type { Digest } from '../../../src/domain/version'
import { SluiceError } from '../../../src/errors'
import { createGarbage } from '../../../src/store/garbage'
import type { Store } from '../../../src/store/store'
import { registration } from '../../support/contents'
import { interposed, type Moment } from '../../support/interposed'
import { author, type LaneGround, laneGround, refusal, type TestLane } from '../../support/lane-ground'
import { agedBy } from '../../support/retention'

const heavy = 'x'.repeat(5_000)
const moments: readonly Moment[] = [0, 1, 2].flatMap((transaction) => [
  { transaction, place: 'before' as const },
  { transaction, place: 'within' as const },
])

interface Thing {
  readonly name: string
  readonly prompt: Digest
  readonly content: { readonly text: string }
  readonly composite: Digest
  readonly dataset: DatasetContent
  readonly rows: readonly object[]
  readonly lane: TestLane
  readonly file: readonly string[]
}

/** What somebody else does with a thing that a collection is about to drop. */
type Use = (thing: Thing) => Promise<unknown>

let ground: LaneGround
let store: Store
let things = 0
beforeAll(async () => {
  ground = await laneGround()
  store = ground.store
})
afterAll(() => ground.end())

/** An experiment of a hundred days ago: a heavy prompt, a composite with a stored output, and a dataset. */
async function oldThing(): Promise<Thing> {
  things += 1
  const name = `thing-${things}`
  const content = { text: `${name} ${heavy} {{transcript}}` }
  const { version } = await store.catalog.register(registration(`prompt/${name}@1.0.0`, content))
  const roles = { prompt: `prompt/${name}@1.0.0`, engine: 'engine/small@1.0.0' }
  const { id: composite } = await store.catalog.commitComposite(roles)
  await ground.judge(composite, undefined)
  const rows = Array.from({ length: 4 }, (_, number) => ({ id: `${name}-${number}`, text: `row ${number}` }))
  const dataset = await store.catalog.register(registration(`dataset/${name}@1.0.0`, { rows }))
  const { suiteDigest: suite } = await store.catalog.task((await lanes()).task)
  const answer = { text: `said of ${name}`, truncated: false, latencyMs: 1, call: composite, measuredAt: 0 }
  const paid = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, costUsd: 0, evaluationId: name }
  const key = { composite, suite, caseId: 'one', repeat: 0 }
  const place = await store.evidence.results.begin(key)
  await store.evidence.results.put(place, { ...answer, ...paid } as never)
  const file: string[] = []
  for await (const line of await store.catalog.exportComposite(composite, { rows: true })) file.push(line)
  const lane = await ground.lane()
  const own = { name, content, composite, rows, lane, file }
  await agedBy(store.database, 100)
  return { ...own, prompt: version.digest, dataset: dataset.version.content as DatasetContent }
}

let first: TestLane | undefined
async function lanes(): Promise<TestLane> {
  first ??= await ground.lane()
  return first
}

/** All parts of one run, with something else at a moment of one of them. */
async function collectWith(
  phase: GarbagePhase,
  moment: Moment,
  happen: () => Promise<void>,
  parts: readonly GarbagePhase[] = garbagePhases,
) {
  const run = await store.garbage.open('ann')
  const { database, reached } = interposed(store.database, moment, happen)
  const beside = createGarbage(database)
  for (const part of parts) await (part === phase ? beside : store.garbage).collect(run.id, part)
  await store.garbage.close(run.id, 'done')
  return reached()
}

/** That it can be read and verified, or the code with which it is refused. */
async function stateOf({ prompt, composite }: Thing): Promise<string> {
  try {
    await store.catalog.byDigest('prompt', prompt)
    const { parts } = await store.catalog.verifyComposite(composite)
    return [...new Set(parts.map(({ state }) => state))].join()
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
}

/** The code of a refusal, or that there was none. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
}

const usesOfVersions: Readonly<Record<string, Use>> = {
  'pushed again': ({ name, content }) => store.catalog.register(registration(`prompt/${name}@1.0.0`, content)),
  'pushed under another label': ({ name, content }) =>
    store.catalog.register(registration(`prompt/${name}-again@1.0.0`, content)),
  composed: ({ name }) =>
    store.catalog.commitComposite({ prompt: `prompt/${name}@1.0.0`, engine: 'engine/small@1.0.0' }),
  evaluated,
  served: ({ lane, composite }) => lane.settle(composite),
  'put into a task': ({ name, lane }) =>
    store.catalog.putTask(
      {
        name: lane.task,
        roles: { prompt: `prompt/${name}@1.0.0`, engine: 'engine/small@1.0.0' },
        suite: 'suite/mood@1.0.0',
        policy: 'policy/direct@1.0.0',
      },
      'ann',
    ),
  'made the override of a tenant': async ({ name, lane, composite }) => {
    const base = await ground.composite(0)
    await ground.judge(base, undefined)
    await ground.judge(composite, base)
    await lane.settle(base)
    return store.tenants.override({ tenant: name, task: lane.task, base, composite, policy: ground.policy }, author)
  },
  imported: ({ file }) => store.catalog.importComposite(bytesOf(file), { by: 'ann' }),
}

/** Whoever has the content has all that was dropped. */
const bringsBack = ['pushed again', 'pushed under another label', 'imported']

async function evaluated({ name, composite }: Thing): Promise<unknown> {
  const { suiteDigest: suite } = await store.catalog.task((await lanes()).task)
  return store.evaluations.begin(name, { candidate: composite, suite, policy: ground.policy }, 'ann')
}

async function* bytesOf(lines: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(line)
}

describe.each(Object.entries(usesOfVersions))('a version that is %s while a collection drops it', (name, use) => {
  test.each(moments.slice(0, 2))('stays whole: $place transaction $transaction', async (moment) => {
    const thing = await oldThing()
    let used = ''
    const reached = await collectWith('versions', moment, async () => {
      used = await codeOf(use(thing))
    })
    expect({ reached, used }).toEqual({ reached: true, used: 'done' })
    expect(await stateOf(thing)).toBe('ok')
  })

  test('is refused once it is gone, or brings it back', async () => {
    const thing = await oldThing()
    const run = await store.garbage.open('ann')
    await store.garbage.collect(run.id, 'versions')
    await store.garbage.close(run.id, 'done')
    expect(await stateOf(thing)).toBe('content_dropped')
    expect(await codeOf(use(thing))).toBe(bringsBack.includes(name) ? 'done' : 'content_dropped')
    expect(await stateOf(thing)).toBe(bringsBack.includes(name) ? 'ok' : 'content_dropped')
  })
})

describe('outputs', () => {
  const texts = ({ composite }: Thing) =>
    store.database.collection('eval_results').countDocuments({ composite, 'result.text': { $exists: true } })

  test.each(moments.slice(0, 2))('stay where an evaluation begins: $place the transaction', async (moment) => {
    const thing = await oldThing()
    const begin = async () => void (await evaluated(thing))
    const reached = await collectWith('outputs', moment, begin, ['outputs'])
    expect({ reached, texts: await texts(thing) }).toEqual({ reached: true, texts: 1 })
  })

  test('go where nothing begins', async () => {
    const thing = await oldThing()
    const run = await store.garbage.open('ann')
    for (const phase of garbagePhases) await store.garbage.collect(run.id, phase)
    expect(await store.garbage.close(run.id, 'done')).toMatchObject({ state: 'done' })
    expect(await texts(thing)).toBe(0)
  })
})

const usesOfRows: Readonly<Record<string, (thing: Thing) => Promise<Digest>>> = {
  'pushed again': async ({ name, rows }) =>
    rootOf(store.catalog.register(registration(`dataset/${name}@1.0.0`, { rows }))),
  'pushed in part, with others': async ({ name, rows }) =>
    rootOf(
      store.catalog.register(registration(`dataset/${name}-part@1.0.0`, { rows: [...rows.slice(2), { id: name }] })),
    ),
  'named by their digests': async ({ rows, dataset }) => {
    const digests: Digest[] = []
    for await (const { digest } of store.catalog.rows(dataset.root)) digests.push(digest)
    const { root } = await store.catalog.putRows(digests.length === rows.length ? digests : rows)
    return root as Digest
  },
}
const rootOf = async (registered: ReturnType<Store['catalog']['register']>): Promise<Digest> =>
  ((await registered).version.content as DatasetContent).root

async function rowsOf(root: Digest): Promise<number> {
  let count = 0
  for await (const _ of store.catalog.rows(root)) count += 1
  return count
}

describe.each(Object.entries(usesOfRows))('rows that are %s while a collection drops them', (_, use) => {
  test.each(moments)('are all there: $place transaction $transaction', async (moment) => {
    const thing = await oldThing()
    let used: { root: Digest } | { code: string } | undefined
    await collectWith('rows', moment, async () => {
      used = await use(thing).then(
        (root) => ({ root }),
        (error: { code?: string }) => ({ code: error.code ?? String(error) }),
      )
    })
    expect(used).toBeDefined()
    if (used === undefined || 'code' in used) {
      // Reading what is gone is refused; whoever has the rows still can push them.
      expect(used).toMatchObject({ code: expect.stringMatching(/^(content_dropped|unknown_ref)$/) })
      const { version } = await store.catalog.register(
        registration(`dataset/${thing.name}@1.0.0`, { rows: thing.rows }),
      )
      used = { root: (version.content as DatasetContent).root }
    }
    expect(await rowsOf(used.root)).toBeGreaterThanOrEqual(3)
  })
})

test('a reader whose rows go is told what became of them', async () => {
  const thing = await oldThing()
  const rows = Array.from({ length: 1_200 }, (_, number) => ({ id: `${thing.name}-many-${number}` }))
  const { version } = await store.catalog.register(registration(`dataset/${thing.name}-many@1.0.0`, { rows }))
  await agedBy(store.database, 100)
  const { root } = version.content as DatasetContent
  const reader = store.catalog.rows(root)[Symbol.asyncIterator]()
  await reader.next()
  const run = await store.garbage.open('ann')
  for (const phase of garbagePhases) await store.garbage.collect(run.id, phase)
  await store.garbage.close(run.id, 'done')
  const rest = async () => {
    while (!(await reader.next()).done);
  }
  expect(await refusal(rest())).toMatchObject({ code: 'content_dropped', details: { dropped: { run: run.id } } })
})

test('a file that brings a dataset without its rows does not bring dropped rows back', async () => {
  const { catalog } = store
  things += 1
  const name = `example-${things}`
  const rows = [{ id: `${name}-1`, said: 'yes' }]
  await catalog.register(registration(`dataset/${name}@1.0.0`, { rows }))
  const content = { text: `${name} {{transcript}}`, fewShot: [`dataset/${name}@1.0.0`] }
  await catalog.register(registration(`prompt/${name}@1.0.0`, content))
  const { id } = await catalog.commitComposite({ prompt: `prompt/${name}@1.0.0`, engine: 'engine/small@1.0.0' })
  const file: string[] = []
  for await (const line of await catalog.exportComposite(id, { rows: false })) file.push(line)
  await agedBy(store.database, 100)
  const run = await store.garbage.open('ann')
  for (const phase of garbagePhases) await store.garbage.collect(run.id, phase)
  await store.garbage.close(run.id, 'done')
  const count = () => store.database.collection('versions').countDocuments()
  const before = await count()
  const again = catalog.importComposite(bytesOf(file), { by: 'ann', prefix: 'again-' })
  expect(await refusal(again)).toMatchObject({ code: 'content_dropped' })
  expect(await count()).toBe(before)
  expect((await catalog.version(`dataset/${name}@1.0.0`)).dropped).toMatchObject({ what: 'rows' })
  await catalog.register(registration(`dataset/${name}@1.0.0`, { rows }))
  expect(await catalog.importComposite(bytesOf(file), { by: 'ann', prefix: 'again-' })).toMatchObject({ composite: id })
})
