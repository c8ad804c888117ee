import type { DatasetContent } from '../../../src/domain/contents'
import type { Digest } from '../../../src/domain/version'
import type { Store } from '../../../src/store/store'
import { registration } from '../../support/contents'
import { testStore } from '../../support/ground'

const code: { digest: Digest } = { digest: `sha256:${'c'.repeat(64)}` }
const command = ['node', '{code}', '{inputs.raw}', '{output}']

describe('the steps of a dataset', () => {
  let store: Store
  let drop: () => Promise<void>
  let raw: Digest
  let rawRoot: Digest
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    const { version } = await store.catalog.register(
      registration('dataset/raw@1.0.0', { rows: [{ id: 'a' }, { id: 'b' }] }),
    )
    raw = version.digest
    rawRoot = (version.content as DatasetContent).root
  })
  afterAll(() => drop())

  const register = (ref: string, content: unknown) => store.catalog.register(registration(ref, content))
  const rows = [{ id: 'a', clean: true }]

  it('name their inputs by digest once they are committed, and the rows as the output of the last', async () => {
    const steps = [{ inputs: { raw: 'raw@1.0.0' }, code, command, parameters: { minimum: 2 }, seed: 7 }]
    const { version } = await register('dataset/clean@1.0.0', { rows, steps })
    const content = version.content as DatasetContent
    expect(content.steps).toEqual([
      { inputs: { raw }, code, command, parameters: { minimum: 2 }, seed: 7, output: content.root },
    ])
    const stored = await store.database.collection('versions').findOne({ 'references.digest': raw })
    expect(stored).toMatchObject({
      name: 'clean',
      references: [{ path: 'steps/0/inputs/raw', kind: 'dataset', digest: raw }],
    })
  })

  it('are content: the same rows made otherwise are another version with the same root', async () => {
    const without = await register('dataset/plain@1.0.0', { rows })
    const made = await register('dataset/made@1.0.0', { rows, steps: [{ code, command: ['make'] }] })
    expect(made.version.digest).not.toBe(without.version.digest)
    expect((made.version.content as DatasetContent).root).toBe((without.version.content as DatasetContent).root)
    const next = await register('dataset/made@1.0.1', { rows, steps: [{ code, command: ['make', 'better'] }] })
    expect(next).toMatchObject({ changeClass: 'safe' })
    const again = await register('dataset/elsewhere@1.0.0', made.version.content)
    expect(again.version.digest).toBe(made.version.digest)
  })

  it.each<[string, () => unknown, string, RegExp]>([
    ['an input that is not registered', () => [{ inputs: { x: 'none@1.0.0' }, code, command }], 'unknown_ref', /none/],
    [
      'an input that is no dataset',
      () => [{ inputs: { x: 'prompt/a@1.0.0' }, code, command }],
      'invalid_content',
      /inputs/,
    ],
    ['another output than the rows', () => [{ code, command, output: rawRoot }], 'invalid_content', /last step/],
    [
      'a step between that does not say its output',
      () => [
        { code, command },
        { code, command },
      ],
      'invalid_content',
      /Step 1/,
    ],
    ['no command', () => [{ code, command: [] }], 'invalid_content', /command/],
    ['no code', () => [{ command }], 'invalid_content', /code/],
    [
      'a name of an input that is a path',
      () => [{ inputs: { '../x': 'raw@1.0.0' }, code, command }],
      'invalid_content',
      /inputs/,
    ],
    ['parameters that are no JSON object', () => [{ code, command, parameters: [1] }], 'invalid_content', /parameters/],
    ['no steps at all', () => [], 'invalid_content', /steps/],
  ])('are refused with %s', async (_, steps, errorCode, message) => {
    await expect(register('dataset/refused@1.0.0', { rows, steps: steps() })).rejects.toMatchObject({
      code: errorCode,
      message: expect.stringMatching(message),
    })
  })

  it('are refused where the sealed form claims another count or other columns than the rows have', async () => {
    const columns = { id: { types: ['string'], required: true } }
    expect((await register('dataset/sealed@1.0.0', { root: rawRoot, count: 2, columns })).version.digest).toBe(raw)
    for (const lie of [
      { count: 3, columns },
      { count: 2, columns: {} },
    ]) {
      await expect(register('dataset/liar@1.0.0', { root: rawRoot, ...lie })).rejects.toMatchObject({
        code: 'invalid_content',
      })
    }
  })
})
