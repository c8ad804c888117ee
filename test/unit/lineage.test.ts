import type { Lineage } from '../../src/domain/lineage'
import type { Digest } from '../../src/domain/version'
import type { LineageQuery } from '../../src/store/lineage'
import type { Store } from '../../src/store/store'
import { textOf } from '../support/any-composite'
import { engineContent, registration } from '../support/contents'
import { testStore } from '../support/ground'

const query: LineageQuery = { direction: 'ancestors', depth: 10, nodes: 100, versions: false }

describe('lineage', () => {
  let store: Store
  let drop: () => Promise<void>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    await store.catalog.register(registration('engine/small@1.0.0', engineContent))
  })
  afterAll(() => drop())

  const prompt = async (label: string, text: string, rest: object = {}): Promise<Digest> =>
    (await store.catalog.register(registration(`prompt/${label}`, { text }, rest))).version.digest
  const commit = async (label: string, parents: readonly Digest[] = []) =>
    store.catalog.commitComposite({ prompt: label, engine: 'small@1.0.0' }, parents)
  const of = (version: string, change: Partial<LineageQuery> = {}) =>
    store.lineage.lineage({ version }, { ...query, ...change })
  const ofComposite = (composite: Digest, change: Partial<LineageQuery> = {}) =>
    store.lineage.lineage({ composite }, { ...query, ...change })
  const ids = ({ nodes }: Lineage) => nodes.map(({ id }) => id)
  const steps = ({ edges }: Lineage) => edges.map(({ from, to, relation }) => `${from} ${relation} ${to}`)

  describe('of a version', () => {
    it('leads from parent to parent, and the other way from child to child', async () => {
      const first = await prompt('a@1.0.0', 'one')
      const left = await prompt('a@1.1.0-left.1', 'left', { parents: [first] })
      const right = await prompt('a@1.1.0-right.1', 'right', { parents: [first] })
      await prompt('a@1.1.0', 'both', { parents: [left, right] })
      expect(ids(await of('prompt/a@1.1.0'))).toEqual([
        'prompt/a@1.1.0',
        'prompt/a@1.1.0-left.1',
        'prompt/a@1.1.0-right.1',
        'prompt/a@1.0.0',
      ])
      const down = await of('prompt/a@1.0.0', { direction: 'descendants' })
      expect(ids(down).sort()).toEqual(ids(await of('prompt/a@1.1.0')).sort())
      expect(down.truncated).toBe(false)
    })

    it('has no circle where somebody goes back to an earlier content', async () => {
      const first = await prompt('b@1.0.0', 'calm')
      const second = await prompt('b@1.1.0', 'loud', { parents: [first] })
      await prompt('b@1.2.0', 'calm', { parents: [second] })
      expect(steps(await of('prompt/b@1.2.0'))).toEqual([
        'prompt/b@1.2.0 parent prompt/b@1.1.0',
        'prompt/b@1.1.0 parent prompt/b@1.0.0',
      ])
      expect(steps(await of('prompt/b@1.0.0', { direction: 'descendants' }))).toEqual([
        'prompt/b@1.1.0 parent prompt/b@1.0.0',
        'prompt/b@1.2.0 parent prompt/b@1.1.0',
      ])
    })

    it('follows references, and the inputs that a provenance names', async () => {
      const raw = await store.catalog.register(registration('dataset/raw@1.0.0', { rows: [{ id: 'a' }] }))
      const provenance = { steps: [{ inputs: { calls: `dataset/raw@${raw.version.digest}` }, code: 'x' }] }
      const clean = registration('dataset/clean@1.0.0', { rows: [{ id: 'b' }] }, { provenance })
      await store.catalog.register(clean)
      const suite = {
        dataset: 'clean@1.0.0',
        scorers: [{ name: 'mood', scorer: 'exact' }],
        primary: 'mood',
        thresholds: { minAccuracy: 0.5 },
      }
      await store.catalog.register(registration('suite/calls@1.0.0', suite))
      expect(steps(await of('suite/calls@1.0.0'))).toEqual([
        'suite/calls@1.0.0 reference dataset/clean@1.0.0',
        'dataset/clean@1.0.0 input dataset/raw@1.0.0',
      ])
      expect(ids(await of('dataset/raw@1.0.0', { direction: 'descendants' }))).toEqual([
        'dataset/raw@1.0.0',
        'dataset/clean@1.0.0',
        'suite/calls@1.0.0',
      ])
    })

    it('says where it was cut, by depth and by number', async () => {
      let parent: Digest | undefined
      for (const number of [0, 1, 2, 3, 4]) {
        parent = await prompt(`c@1.${number}.0`, `text ${number}`, parent ? { parents: [parent] } : {})
      }
      const shallow = await of('prompt/c@1.4.0', { depth: 2 })
      expect(shallow.truncated).toBe(true)
      expect(shallow.nodes.filter(({ more }) => more).map(({ id }) => id)).toEqual(['prompt/c@1.2.0'])
      expect(await of('prompt/c@1.4.0', { depth: 4 })).toMatchObject({ truncated: false })
      const few = await of('prompt/c@1.0.0', { direction: 'descendants', nodes: 3 })
      expect(few).toMatchObject({ truncated: true })
      expect(few.nodes).toHaveLength(3)
      expect(few.nodes.filter(({ more }) => more).map(({ id }) => id)).toEqual(['prompt/c@1.2.0'])
    })

    it('is an error where nothing has the label', async () => {
      await expect(of('prompt/nobody@1.0.0')).rejects.toMatchObject({ code: 'unknown_ref' })
      await expect(ofComposite(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'not_found' })
    })
  })

  describe('of a composite', () => {
    it('says which roles moved, and has the versions only where they are asked for', async () => {
      await prompt('d@1.0.0', 'd one')
      await prompt('d@1.1.0', 'd two', { parents: [(await store.catalog.version('prompt/d@1.0.0')).digest] })
      const base = await commit('d@1.0.0')
      const next = await commit('d@1.1.0', [base.id])
      expect(next.parents).toEqual([base.id])
      const found = await ofComposite(next.id)
      expect(found.edges).toEqual([
        { from: next.id, to: base.id, relation: 'parent', text: 'prompt d@1.0.0 → d@1.1.0' },
      ])
      expect(ids(await ofComposite(base.id, { direction: 'descendants' }))).toEqual([base.id, next.id])
      const whole = await ofComposite(next.id, { versions: true })
      expect(new Set(ids(whole))).toEqual(
        new Set([base.id, next.id, 'prompt/d@1.0.0', 'prompt/d@1.1.0', 'engine/small@1.0.0']),
      )
      const users = await of('prompt/d@1.1.0', { direction: 'descendants', versions: true })
      expect(ids(users)).toEqual(['prompt/d@1.1.0', next.id])
    })

    it('is never older than its parents: going back to an earlier composite is no derivation', async () => {
      await prompt('e@1.0.0', 'e one')
      await prompt('e@1.1.0', 'e two')
      const base = await commit('e@1.0.0')
      const next = await commit('e@1.1.0', [base.id])
      expect((await commit('e@1.0.0', [next.id])).parents).toEqual([])
      expect((await commit('e@1.0.0', [base.id])).parents).toEqual([])
      expect(ids(await ofComposite(base.id))).toEqual([base.id])
    })

    it('takes a further parent later, once', async () => {
      await prompt('f@1.0.0', 'f one')
      await prompt('f@1.1.0', 'f two')
      const base = await commit('f@1.0.0')
      const made = await commit('f@1.1.0')
      // Two commits within a millisecond are of one age: an hour between them is as good as a wait.
      const past = new Date(base.createdAt.getTime() - 3_600_000)
      await store.database
        .collection<{ _id: string }>('composites')
        .updateOne({ _id: base.id }, { $set: { createdAt: past } })
      expect((await commit('f@1.1.0', [base.id])).parents).toEqual([base.id])
      expect((await commit('f@1.1.0', [base.id])).parents).toEqual([base.id])
      expect((await store.catalog.compositeRecord(made.id)).parents).toEqual([base.id])
    })

    it('has parents that are committed here', async () => {
      const nobody = `sha256:${'0'.repeat(64)}` as const
      await expect(commit('e@1.0.0', [nobody])).rejects.toMatchObject({ code: 'not_found' })
    })

    it('goes with it to another database, as far as the file tells', async () => {
      await prompt('g@1.0.0', 'g one')
      const first = (await store.catalog.version('prompt/g@1.0.0')).digest
      await prompt('g@1.1.0', 'g two', { parents: [first] })
      const base = await commit('g@1.0.0')
      const next = await commit('g@1.1.0', [base.id])
      const text = await textOf(await store.catalog.exportComposite(next.id, { rows: false }))
      const other = await testStore()
      async function* bytes() {
        yield new TextEncoder().encode(text)
      }
      await other.store.catalog.importComposite(bytes(), { by: 'ben' })
      const found = await other.store.lineage.lineage({ composite: next.id }, { ...query, versions: true })
      const unknown = found.nodes.filter(({ type }) => type === 'unknown').map(({ id }) => id)
      expect(new Set(unknown)).toEqual(new Set([base.id, first]))
      const record = await other.store.catalog.compositeRecord(next.id)
      expect(record).toMatchObject({ parents: [base.id], origin: { createdAt: next.createdAt } })
      const version = await other.store.catalog.version('prompt/g@1.1.0')
      expect(version).toMatchObject({ author: 'ben', parents: [first], origin: { author: 'ann' } })
      await other.drop()
    })
  })
})
