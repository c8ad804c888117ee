import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { scored } from '../support/scores'

describe('where a version stands', () => {
  let ground: LaneGround
  beforeAll(async () => {
    ground = await laneGround()
  })
  afterAll(() => ground.end())

  const digestOf = async (ref: string): Promise<Digest> => (await ground.store.catalog.version(ref)).digest
  const standing = async (ref: string) => {
    const digest = await digestOf(ref)
    const found = (await ground.store.standings.ofVersions([digest])).get(digest)
    if (found === undefined) throw new Error('every digest that is asked for is answered')
    return found
  }
  const deployed = async (ref: string, page: { after?: string; limit?: number } = {}) =>
    ground.store.standings.deployments({ version: await digestOf(ref) }, { limit: 50, ...page })

  it('is where the heads of the lanes serve a composite that rests on it', async () => {
    const [first, second] = (await ground.tested(2)) as [Digest, Digest]
    const lane = await ground.lane()
    const at = (as: string, composite: Digest) => ({ environment: production, task: lane.task, as, composite })
    expect(await standing('prompt/mood-0@1.0.0')).toMatchObject({ active: [], activeLanes: 0 })
    await lane.settle(first)
    expect((await standing('prompt/mood-0@1.0.0')).active).toEqual([at('incumbent', first)])
    await lane.step(second)
    expect((await standing('prompt/mood-1@1.0.0')).active).toEqual([at('candidate', second)])
    expect((await standing('engine/small@1.0.0')).active).toEqual([at('candidate', second), at('incumbent', first)])
    await lane.flag(true)
    expect(await standing('prompt/mood-1@1.0.0')).toMatchObject({ active: [], activeLanes: 0 })
    await lane.flag(false)
    await lane.settle(second)
    expect((await standing('prompt/mood-0@1.0.0')).active).toEqual([])
    expect((await standing('prompt/mood-1@1.0.0')).active).toEqual([at('incumbent', second)])
  })

  it('is told with every deployment of the past, what it replaced and who did it', async () => {
    const [first, second] = (await ground.tested(2)) as [Digest, Digest]
    const lane = await ground.lane()
    await lane.settle(first)
    await lane.step(second)
    await lane.step(second, { exposure: [{ to: 'rest', basisPoints: 9_000, by: 'conversation' }] })
    await lane.settle(second)
    await lane.rollback()
    const ours = async (ref: string) =>
      (await deployed(ref)).items.filter(({ task }) => task === lane.task).map(({ seq, cause, as }) => [seq, cause, as])
    expect(await ours('prompt/mood-1@1.0.0')).toEqual([
      [5, 'rollback', 'revoked'],
      [4, 'settle', 'incumbent'],
      [2, 'step', 'candidate'],
    ])
    expect(await ours('prompt/mood-0@1.0.0')).toEqual([
      [5, 'rollback', 'incumbent'],
      [1, 'settle', 'incumbent'],
    ])
    const [newest, settled] = (await deployed('prompt/mood-1@1.0.0')).items
    expect(newest).toMatchObject({ by: 'ann', reason: 'for a test', previous: second })
    expect(settled).toMatchObject({ previous: first, previousRef: 'prompt/mood-0@1.0.0' })
  })

  it('pages through deployments without losing or repeating one', async () => {
    const all = (await deployed('engine/small@1.0.0')).items
    expect(all.length).toBeGreaterThan(3)
    const seen: unknown[] = []
    let after: string | undefined
    for (let page = 0; page <= all.length; page += 1) {
      const { items, next } = await deployed('engine/small@1.0.0', { limit: 1, ...(after ? { after } : {}) })
      seen.push(...items)
      if (next === undefined) break
      after = next
    }
    expect(seen).toEqual(all)
  })

  it('is tested by what the verdicts in force say, suite by suite', async () => {
    const candidate = await ground.composite(7)
    const { store, policy } = ground
    const [suite, other] = [await digestOf('suite/mood@1.0.0'), `sha256:${'5'.repeat(64)}` as const]
    expect(await standing('prompt/mood-7@1.0.0')).toMatchObject({ tested: false, scores: [] })
    await scored(store, { candidate, suite, policy }, ['pass', 0.75])
    await scored(store, { candidate, suite: other, policy }, ['fail', 0.4])
    const found = await standing('prompt/mood-7@1.0.0')
    expect(found.tested).toBe(true)
    expect(found.scores).toMatchObject([
      { suite: other, tested: false, verdict: 'fail', accuracy: { mean: 0.4 } },
      { suite, suiteRef: 'suite/mood@1.0.0', tested: true, verdict: 'pass', accuracy: { mean: 0.75 } },
    ])
    expect((await store.standings.ofComposites([candidate])).get(candidate)).toEqual(found)
  })

  it('is tested no more once a newer verdict of the same key is in force', async () => {
    const candidate = await ground.composite(8)
    const { store, policy } = ground
    const key = { candidate, suite: await digestOf('suite/mood@1.0.0'), policy }
    await scored(store, key, ['pass', 0.75])
    const evaluationId = await scored(store, key, ['no_evidence', 0.9])
    const found = await standing('prompt/mood-8@1.0.0')
    expect(found).toMatchObject({ tested: false, scores: [{ verdict: 'no_evidence', evaluationId }] })
    expect(found.scores[0]).not.toHaveProperty('accuracy')
  })

  it('shows the passing composite of several that rest on the version', async () => {
    const [good, bad] = [await ground.composite(9), await ground.composite(10)]
    const { store, policy } = ground
    const suite = `sha256:${'6'.repeat(64)}` as const
    await scored(store, { candidate: good, suite, policy }, ['pass', 0.7])
    await scored(store, { candidate: bad, suite, policy }, ['fail', 0.2])
    const of = (await standing('engine/small@1.0.0')).scores.find((score) => score.suite === suite)
    expect(of).toMatchObject({ tested: true, composite: good })
  })

  it.each([
    ['versions', { versions: { $in: ['x'] } }, 'verdict_heads'],
    ['candidate', { candidate: { $in: ['x'] } }, 'verdict_heads'],
    ['closure', { closure: { $in: ['x'] } }, 'composites'],
    ['parents of composites', { parents: { $in: ['x'] } }, 'composites'],
    ['parents of versions', { parents: { $in: ['x'] } }, 'versions'],
    ['inputs', { inputs: { $in: ['x'] } }, 'versions'],
    [
      'incumbents',
      { $or: [{ incumbent: { $in: ['x'] } }, { candidate: { $in: ['x'] } }, { revokes: { $in: ['x'] } }] },
      'allocations',
    ],
  ])('is found without reading a whole collection: %s', async (_, filter, collection) => {
    const plan = await ground.store.database.db.collection(collection).find(filter).explain('queryPlanner')
    expect(JSON.stringify(plan.queryPlanner.winningPlan)).not.toContain('COLLSCAN')
  })
})
