import { compositeIdentity } from '../../../src/domain/composite'
import { digestOf } from '../../../src/store/canonical'
import type { Store } from '../../../src/store/store'
import { engineContent, registration } from '../../support/contents'
import { testStore } from '../../support/ground'

async function seed(store: Store) {
  const versions: [string, unknown][] = [
    ['prompt/csat@1.0.0', { text: 'Rate {{call}}' }],
    ['prompt/csat@1.1.0', { text: 'Please rate {{call}}' }],
    ['prompt/csat@2.0.0', { text: 'Rate {{call}} by {{scale}}' }],
    ['prompt/twin@1.0.0', { text: 'Rate {{call}}' }],
    ['engine/small@1.0.0', engineContent],
    ['dataset/cases@1.0.0', { rows: [{ id: 'a' }] }],
    ['suite/calls@1.0.0', suite],
    ['policy/short@1.0.0', {}],
  ]
  for (const [ref, content] of versions) await store.catalog.register(registration(ref, content))
}

const suite = {
  dataset: 'cases@1.0.0',
  scorers: [{ name: 'mood', scorer: 'exact' }],
  primary: 'mood',
  thresholds: { minAccuracy: 0.6 },
}

describe('composites and tasks', () => {
  let store: Store
  let drop: () => Promise<void>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    await seed(store)
  })
  afterAll(() => drop())

  const roles = { prompt: 'csat@1.0.0', engine: 'engine/small@1.0.0' }
  const commit = (given: Readonly<Record<string, string>>) => store.catalog.commitComposite(given)
  const count = () => store.database.collection('composites').countDocuments()

  describe('a composite', () => {
    it('is named by the digests of its roles, in whatever order and under whatever labels they were given', async () => {
      const first = await commit(roles)
      expect(first.id).toBe(digestOf(compositeIdentity(first.roles)))
      const before = await count()
      expect(await commit({ engine: 'small@1.0.0', prompt: 'prompt/csat@1.0.0' })).toEqual(first)
      expect((await commit({ ...roles, prompt: 'twin@1.0.0' })).id).toBe(first.id)
      const digest = (await store.catalog.version('prompt/csat@1.0.0')).digest
      expect((await commit({ ...roles, prompt: `csat@${digest}` })).id).toBe(first.id)
      expect(await count()).toBe(before)
    })

    it('is committed once by many at once', async () => {
      const made = { ...roles, 'prompt.second': 'csat@2.0.0' }
      const before = await count()
      const ids = await Promise.all(Array.from({ length: 16 }, () => commit(made)))
      expect(new Set(ids.map((composite) => composite.id)).size).toBe(1)
      expect(await count()).toBe(before + 1)
    })

    it('is served with its contents by role', async () => {
      const { id } = await commit({ ...roles, 'prompt.judge': 'csat@2.0.0' })
      const served = await store.catalog.composite(id)
      expect(served.contents).toEqual({
        prompt: { text: 'Rate {{call}}' },
        'prompt.judge': { text: 'Rate {{call}} by {{scale}}' },
        engine: engineContent,
      })
      expect(served.roles['prompt.judge']?.ref).toBe('prompt/csat@2.0.0')
    })

    it('is served with all that its contents refer to, but for what no application reads', async () => {
      const artifact = { digest: `sha256:${'1'.repeat(64)}`, uri: 's3://models/1' }
      const step = { name: 'tune', code: artifact.digest, parameters: {} }
      const model = { bases: [{ provider: 'p', name: 'm' }], datasets: { train: ['cases@1.0.0'] }, steps: [step] }
      const versions: [string, unknown][] = [
        ['model/base@1.0.0', { ...model, checkpoint: artifact }],
        ['model/tuned@1.0.0', { ...model, bases: [{ model: 'base@1.0.0' }], checkpoint: artifact }],
        ['engine/tuned@1.0.0', { ...engineContent, tunedModel: 'tuned@1.0.0' }],
        ['prompt/triage@1.0.0', { text: 'Hard? {{call}}', fewShot: ['cases@1.0.0'] }],
        [
          'router/two@1.0.0',
          {
            candidates: { small: 'small@1.0.0', tuned: 'tuned@1.0.0' },
            classifier: {
              engine: 'small@1.0.0',
              prompt: 'triage@1.0.0',
              labels: { hard: 'tuned' },
              onFailure: 'tuned',
            },
            default: 'small',
          },
        ],
      ]
      for (const [ref, content] of versions) await store.catalog.register(registration(ref, content))
      const { id } = await commit({ prompt: 'csat@1.0.0', router: 'two@1.0.0' })
      const served = await store.catalog.composite(id)
      const expected: Record<string, unknown> = {}
      for (const ref of ['engine/small', 'engine/tuned', 'model/tuned', 'model/base', 'prompt/triage']) {
        const { digest, content } = await store.catalog.version(`${ref}@1.0.0`)
        expected[digest] = content
      }
      expect(served.closure).toEqual(expected)
      expect(await store.catalog.composite((await commit(roles)).id)).not.toHaveProperty('closure')
      const both = await store.catalog.compositesByIds([(await commit(roles)).id, id])
      expect(both.map(({ closure }) => Object.keys(closure ?? {}).length)).toEqual([0, 5])
    })

    it('is not served where something that it refers to was altered', async () => {
      const fields: [string, unknown][] = [
        ['field/kept@1.0.0', { computerName: 'kept', type: 'string', label: 'Kept' }],
        ['mapping/kept@1.0.0', { fields: { kept: 'kept@1.0.0' } }],
      ]
      for (const [ref, content] of fields) await store.catalog.register(registration(ref, content))
      const { id } = await commit({ ...roles, mapping: 'kept@1.0.0' })
      expect(Object.values((await store.catalog.composite(id)).closure ?? {})).toMatchObject([{ computerName: 'kept' }])
      await store.database
        .collection<{ _id: string }>('versions')
        .updateOne({ _id: 'field/kept@1.0.0' }, { $set: { content: '{}' } })
      await expect(store.catalog.composite(id)).rejects.toMatchObject({ code: 'digest_mismatch' })
      await store.database.collection<{ _id: string }>('versions').deleteOne({ _id: 'field/kept@1.0.0' })
      await expect(store.catalog.composite(id)).rejects.toMatchObject({ code: 'digest_mismatch' })
    })

    it('comes in the order it is asked for', async () => {
      const first = await commit(roles)
      const second = await commit({ ...roles, prompt: 'csat@1.1.0' })
      const found = await store.catalog.compositesByIds([second.id, first.id, second.id])
      expect(found.map((composite) => composite.id)).toEqual([second.id, first.id, second.id])
      const nobody = `sha256:${'0'.repeat(64)}` as const
      await expect(store.catalog.compositesByIds([nobody])).rejects.toMatchObject({ code: 'not_found' })
    })

    it('differs from another role by role', async () => {
      const from = await commit(roles)
      const to = await commit({ ...roles, prompt: 'csat@2.0.0', schema: await schemaRef() })
      const diff = await store.catalog.diffComposites(from.id, to.id)
      expect(diff.changeClass).toBe('breaking')
      expect(diff.roles.map(({ role, from: old, to: now }) => [role, old, now])).toEqual([
        ['prompt', 'prompt/csat@1.0.0', 'prompt/csat@2.0.0'],
        ['schema', undefined, 'schema/report@1.0.0'],
      ])
      expect(await store.catalog.diffComposites(to.id, to.id)).toMatchObject({ changeClass: 'none', roles: [] })
    })

    it('is verified from what is stored', async () => {
      await store.catalog.register(registration('prompt/altered@1.0.0', { text: 'a' }))
      const { id } = await commit({ prompt: 'altered@1.0.0', engine: 'small@1.0.0' })
      expect(await store.catalog.verifyComposite(id)).toMatchObject({ valid: true, computed: id })
      await store.database
        .collection<{ _id: string }>('versions')
        .updateOne({ _id: 'prompt/altered@1.0.0' }, { $set: { content: '{"text":"b"}' } })
      const found = await store.catalog.verifyComposite(id)
      expect(found.valid).toBe(false)
      expect(found.roles.map(({ role, valid }) => [role, valid])).toEqual([
        ['engine', true],
        ['prompt', false],
      ])
    })

    it('is verified no further once nobody waits for it, also within the rows of a dataset', async () => {
      const examples = { fewShot: ['dataset/cases@1.0.0'], text: 'Rate {{call}}' }
      await store.catalog.register(registration('prompt/shown@1.0.0', examples))
      const { id } = await commit({ prompt: 'shown@1.0.0', engine: 'small@1.0.0' })
      let checks = 0
      const endAfter = (most: number) =>
        ({
          throwIfAborted() {
            checks += 1
            if (checks > most) throw new Error('gone')
          },
        }) as AbortSignal
      await expect(store.catalog.verifyComposite(id, { signal: endAfter(99) })).resolves.toMatchObject({ valid: true })
      const all = checks
      expect(all).toBe(4)
      for (let most = 0; most < all; most += 1) {
        checks = 0
        await expect(store.catalog.verifyComposite(id, { signal: endAfter(most) })).rejects.toThrow('gone')
        expect(checks).toBe(most + 1)
      }
    })

    it.each<[string, Readonly<Record<string, string>>, string]>([
      ['no roles', {}, 'invalid_request'],
      ['too many roles', manyRoles(), 'invalid_request'],
      ['a label that nobody registered', { prompt: 'csat@9.0.0' }, 'unknown_ref'],
      ['an artifact of another kind', { prompt: 'engine/small@1.0.0' }, 'malformed_ref'],
      ['a role that implies no kind', { judge: 'csat@1.0.0' }, 'malformed_ref'],
      ['a suite, which changes no behaviour', { suite: 'calls@1.0.0' }, 'invalid_request'],
      ['a bad role', { 'Prompt!': 'prompt/csat@1.0.0' }, 'invalid_request'],
    ])('refuses %s', async (_, given, code) => {
      await expect(commit(given)).rejects.toMatchObject({ code })
    })

    const schemaRef = async () => {
      const { version } = await store.catalog.register(registration('schema/report@1.0.0', { type: 'object' }))
      return `${version.name}@${version.semver}`
    }
  })

  describe('a task', () => {
    const draft = { name: 'scoring', roles, suite: 'calls@1.0.0', policy: 'short@1.0.0' }

    it('holds full references and the digests of suite and policy', async () => {
      const task = await store.catalog.putTask(draft, 'ann')
      expect(task).toEqual({
        name: 'scoring',
        roles: { prompt: 'prompt/csat@1.0.0', engine: 'engine/small@1.0.0' },
        suite: 'suite/calls@1.0.0',
        suiteDigest: (await store.catalog.version('suite/calls@1.0.0')).digest,
        policy: 'policy/short@1.0.0',
        policyDigest: (await store.catalog.version('policy/short@1.0.0')).digest,
      })
      expect(await store.catalog.task('scoring')).toEqual(task)
      expect(await store.catalog.tasks()).toContainEqual(task)
    })

    it('keeps each of its states, and none twice', async () => {
      const name = 'kept'
      await store.catalog.putTask({ ...draft, name }, 'ann')
      await store.catalog.putTask({ ...draft, name }, 'bob')
      await store.catalog.putTask({ ...draft, name, roles: { prompt: 'csat@1.1.0' } }, 'bob')
      const states = await store.database
        .collection('task_revisions')
        .find({ task: name })
        .sort({ revision: 1 })
        .toArray()
      expect(states.map(({ revision, by }) => [revision, by])).toEqual([
        [1, 'ann'],
        [2, 'bob'],
      ])
    })

    it('supersedes one that exists', async () => {
      await store.catalog.putTask(draft, 'ann')
      const second = await store.catalog.putTask({ ...draft, name: 'scoring-v2', supersedes: 'scoring' }, 'ann')
      expect(second.supersedes).toBe('scoring')
      const third = { ...draft, name: 'scoring-v3', supersedes: 'nobody' }
      await expect(store.catalog.putTask(third, 'ann')).rejects.toMatchObject({ code: 'unknown_task' })
    })

    it.each<[string, object, string]>([
      ['a suite that is not registered', { suite: 'nobody@1.0.0' }, 'unknown_ref'],
      ['a policy that is a suite', { policy: 'suite/calls@1.0.0' }, 'malformed_ref'],
      ['a bad name', { name: 'Scoring Calls' }, 'invalid_request'],
      ['superseding itself', { supersedes: 'scoring' }, 'invalid_request'],
    ])('refuses %s', async (_, change, code) => {
      await expect(store.catalog.putTask({ ...draft, ...change }, 'ann')).rejects.toMatchObject({ code })
    })

    it('is an error where nobody put it', async () => {
      await expect(store.catalog.task('nobody')).rejects.toMatchObject({ code: 'unknown_task' })
    })
  })
})

function manyRoles() {
  return Object.fromEntries(Array.from({ length: 33 }, (_, number) => [`prompt.p${number}`, 'csat@1.0.0']))
}
