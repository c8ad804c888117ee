import { loadCallable } from '../../../src/store/evaluation-plan'
import type { Store } from '../../../src/store/store'
import { engineContent, registration, samples } from '../../support/contents'
import { testStore } from '../../support/ground'

describe('a composite that a suite does not run as it serves', () => {
  let store: Store
  let drop: () => Promise<void>
  const roles = { prompt: 'rate@1.0.0', engine: 'small@1.0.0' }
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    const versions: [string, unknown][] = [
      ['prompt/rate@1.0.0', { text: 'Rate {{call}}' }],
      ['engine/small@1.0.0', engineContent],
      ['tool/find@1.0.0', samples.tool.before],
      ['postprocess/tidy@1.0.0', samples.postprocess.before],
      ['router/one@1.0.0', { candidates: { small: 'small@1.0.0' }, default: 'small' }],
    ]
    for (const [ref, content] of versions) await store.catalog.register(registration(ref, content))
  })
  afterAll(() => drop())

  it.each([
    ['tool.first', 'tool/find@1.0.0'],
    ['postprocess', 'postprocess/tidy@1.0.0'],
    ['router', 'router/one@1.0.0'],
  ])('is refused for its role %s: a score without it would be of something else', async (role, ref) => {
    const { id } = await store.catalog.commitComposite({ ...roles, [role]: ref })
    await expect(loadCallable(store.catalog, id)).rejects.toMatchObject({
      code: 'invalid_content',
      details: { roles: [role] },
    })
  })

  it('is none with a prompt and an engine alone', async () => {
    const { id } = await store.catalog.commitComposite(roles)
    expect(await loadCallable(store.catalog, id)).toMatchObject({ composite: id, engine: { model: 'small-1' } })
  })
})
