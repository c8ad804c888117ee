import fc from 'fast-check'
import { type KindName, kindNames } from '../../../src/domain/version'
import type { Catalog } from '../../../src/store/catalog'
import { type TestApi, testApi } from '../../support/api'
import { filesIn, withFolder } from '../../support/folder'
import { draftsWith, jsonDraft } from '../../support/kind-drafts'

/** What generated drafts refer to. */
const bases: readonly (readonly [KindName, unknown])[] = [
  ['dataset', { rows: [{ id: 'a' }, { id: 'b', long: 12345678901234567000 }] }],
  ['prompt', { text: 'Hello {{name}}' }],
  ['field', { computerName: 'base', type: 'string', label: 'Base' }],
  ['embedding', { endpoint: 'near', model: 'e', dimensions: 3, pricePerMillion: 1 }],
  [
    'model',
    {
      bases: [{ provider: 'p', name: 'n' }],
      datasets: { train: ['base@1.0.0'] },
      steps: [{ name: 'tune', code: `sha256:${'1'.repeat(64)}` }],
      checkpoint: { digest: `sha256:${'2'.repeat(64)}`, uri: 's3://bucket/checkpoint' },
    },
  ],
  ['engine', { endpoint: 'near', model: 'm', pricePerMillion: { input: 1, cachedInput: 1, output: 1 } }],
]
const drafts = draftsWith(() => fc.constant('base@1.0.0'))
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }).filter((words) => words.trim() !== '')
const envelope = fc.record(
  {
    description: fc.oneof(text, fc.constantFrom('yes', '1.0', '# no comment', 'two\nlines \n', ' - list', '---')),
    parents: fc.constant(true),
    provenance: fc.dictionary(fc.constantFrom('author', 'seed', 'run'), jsonDraft, { noNullPrototype: true }),
  },
  { requiredKeys: ['description'] },
)
const everyKind = fc.record(
  Object.fromEntries(kindNames.map((kind) => [kind, fc.record({ content: drafts[kind], envelope })])) as Record<
    KindName,
    fc.Arbitrary<{
      content: unknown
      envelope: { description: string; parents?: true; provenance?: Record<string, unknown> }
    }>
  >,
)

describe('pull, then push', () => {
  let from: TestApi
  let to: TestApi
  beforeAll(async () => {
    const made = await Promise.all([testApi(), testApi()])
    from = made[0]
    to = made[1]
  })
  afterAll(async () => {
    await from.stop()
    await to.stop()
  })
  const forget = async () => {
    for (const api of [from, to]) await api.forget('versions', 'artifacts', 'rows', 'row_sets', 'claims', 'idempotency')
  }
  const digests = async (catalog: Catalog) =>
    (await catalog.versions({ limit: 200 })).map(
      ({ kind, name, semver, digest, interface: form, description, parents }) => ({
        ref: `${kind}/${name}@${semver}`,
        digest,
        form,
        description: description.trim(),
        parents,
      }),
    )

  it('gives the same versions of every kind on an empty server, and the same files from there', async () => {
    await fc.assert(
      fc.asyncProperty(everyKind, (all) =>
        withFolder(async (folder) => {
          await forget()
          for (const [kind, content] of bases) {
            await from.store.catalog.register({
              kind,
              name: 'base',
              semver: '1.0.0',
              content,
              author: 'cy',
              description: 'base',
            })
          }
          for (const kind of [...kindNames].reverse()) {
            const {
              content,
              envelope: { parents, ...said },
            } = all[kind]
            // A parent that sorts after its child, and one of another kind.
            const over = parents === undefined ? {} : { parents: ['prompt/base@1.0.0', 'prompt/zz@0.1.0'] }
            if (kind === kindNames.at(-1)) {
              const zz = { kind: 'prompt' as const, name: 'zz', semver: '0.1.0', content: { text: 'zz' } }
              await from.store.catalog.register({ ...zz, author: 'cy', description: 'an experiment' })
            }
            await from.store.catalog.register({
              kind,
              name: 'any',
              semver: '1.0.0',
              content,
              author: 'cy',
              ...said,
              ...over,
            })
          }
          const first = await from.cli('pull', folder)
          expect(first.err).toBe('')
          const files = filesIn(folder)
          const pushed = await to.cli('push', folder)
          expect(pushed.err.replaceAll(/.*: \d+ rows.*\n/g, '')).toBe('')
          expect(await digests(to.store.catalog)).toEqual(await digests(from.store.catalog))
          expect((await from.cli('push', folder)).out).toMatch(/^0 new or changed/m)
          await withFolder(async (second) => {
            await to.cli('pull', second)
            expect(filesIn(second)).toEqual(files)
          })
        }),
      ),
      { numRuns: 2, endOnFailure: true },
    )
  })
})
