import { engineContent, registration } from '../contents'
import type { CutGround } from './cut-ground'
import type { RouteCase } from './route-case'

const uploaded = 'Rows and sets of rows are named by their content: one that no dataset names says nothing.'
const committed = 'A composite is named by its content: one that nothing was asked of serves and proves nothing.'
const rowsStay = { rows: uploaded, row_pages: uploaded, row_sets: uploaded }
const draft = (kind: string, name: string, content: unknown) => ({
  ...{ kind, name, semver: '1.0.0', content, description: 'for a test' },
})
const rows = [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }]

export const catalogCases: readonly RouteCase[] = [
  {
    route: 'POST /v1/artifacts',
    prepare: async () => ({ path: '/v1/artifacts', body: draft('prompt', 'fresh', { text: 'Hi {{name}}' }) }),
  },
  {
    route: 'POST /v1/artifacts',
    about: 'a dataset with its rows',
    mayStay: rowsStay,
    prepare: async () => ({ path: '/v1/artifacts', body: draft('dataset', 'fresh', { rows }) }),
  },
  {
    route: 'POST /v1/workspaces/check',
    mayStay: rowsStay,
    prepare: async ({ task }) => ({
      path: '/v1/workspaces/check',
      body: {
        artifacts: [draft('dataset', 'fresh', { rows }), draft('engine', 'fresh', engineContent)],
        tasks: [{ name: task, ...definition }],
      },
    }),
  },
  {
    route: 'POST /v1/composites',
    prepare: async ({ versions }) => ({
      path: '/v1/composites',
      body: { roles: { prompt: 'mood-1@1.0.0', engine: 'large@1.0.0' }, parents: [versions[0], versions[1]] },
    }),
  },
  {
    route: 'POST /v1/composites',
    about: 'one that stands, with another parent',
    async prepare({ store, versions }) {
      const roles = { prompt: 'mood-1@1.0.0', engine: 'large@1.0.0' }
      await store.catalog.commitComposite(roles, [versions[0]])
      return { path: '/v1/composites', body: { roles, parents: [versions[1]] } }
    },
  },
  {
    route: 'POST /v1/composites/import',
    mayStay: {
      ...rowsStay,
      versions: 'Each version is whole by itself; the composite, which gives them their meaning here, comes last.',
      claims: 'They belong to the versions.',
    },
    prepare: async (ground) => ({ path: '/v1/composites/import?prefix=other-', file: await exported(ground) }),
  },
  {
    route: 'POST /v1/datasets/rows',
    mayStay: rowsStay,
    prepare: async () => ({ path: '/v1/datasets/rows', body: { rows } }),
  },
  {
    route: 'POST /v1/datasets/merge',
    mayStay: rowsStay,
    async prepare({ store }) {
      const roots = []
      for (const row of rows) roots.push((await store.catalog.putRows([row, { id: 'z' }])).root)
      return { path: '/v1/datasets/merge', body: { roots } }
    },
  },
  {
    route: 'PUT /v1/tasks/:task',
    prepare: async ({ task }) => ({
      path: `/v1/tasks/${task}`,
      body: { ...definition, policy: 'policy/staged@1.0.0' },
    }),
  },
  {
    route: 'POST /v1/promotions',
    prepare: async () => ({
      path: '/v1/promotions',
      body: { from: ['prompt/exp@1.0.0-exp.1'], as: 'exp@1.0.0', description: 'it won' },
    }),
  },
  {
    route: 'POST /v1/suites/:ref/evaluations',
    mayStay: {
      composites: committed,
      evaluations: 'A run that nobody drives is shown as interrupted.',
      leakage_proofs: 'A proof depends on what is compared alone: the next run keeps it, or finds the same.',
    },
    prepare: async ({ versions }) => ({
      path: '/v1/suites/suite%2Fmood@1.0.0/evaluations',
      body: {
        candidate: { prompt: 'mood-1@1.0.0', engine: 'large@1.0.0' },
        incumbent: versions[0],
        policy: 'policy/direct@1.0.0',
      },
    }),
    async settled(store) {
      while ((await store.evaluations.list({})).some(({ state }) => state === 'running')) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  },
  {
    route: 'POST /v1/evaluations/compare',
    status: 404,
    writesNothing: 'It compares what is stored, and nothing is.',
    async prepare({ store, versions, lanes }) {
      const suite = (await store.catalog.version('suite/mood@1.0.0')).digest
      const key = { suite, policy: lanes.policy, candidate: versions[0] }
      await store.evaluations.begin('before', key, 'ann')
      await store.evaluations.begin('after', { ...key, candidate: versions[1] }, 'ann')
      return { path: '/v1/evaluations/compare', body: { before: 'before', after: 'after' } }
    },
  },
]

const definition = {
  roles: { prompt: 'prompt/mood-0@1.0.0', engine: 'engine/small@1.0.0' },
  suite: 'suite/mood@1.0.0',
  policy: 'policy/direct@1.0.0',
}

/** A composite over a dataset as a file, and the registry without it. */
async function exported({ store }: CutGround): Promise<string> {
  const { catalog } = store
  await catalog.register(registration('embedding/vectors@1.0.0', embedding))
  await catalog.register(registration('dataset/articles@1.0.0', { rows }))
  await catalog.register(registration('index/articles@1.0.0', retrieval))
  const roles = { prompt: 'mood-1@1.0.0', engine: 'large@1.0.0', index: 'articles@1.0.0' }
  const { id } = await catalog.commitComposite(roles)
  let text = ''
  for await (const line of await catalog.exportComposite(id, { rows: true })) text += line
  await store.database.db.collection<{ _id: string }>('composites').deleteOne({ _id: id })
  for (const name of ['rows', 'row_sets']) await store.database.db.collection(name).deleteMany({})
  return text
}

const embedding = {
  ...{ endpoint: 'simulated', provider: 'openai-compatible', model: 'embed-1', dimensions: 256, normalization: 'l2' },
  ...{ timeoutMs: 20_000, maxAttempts: 2, pricePerMillion: 0.02 },
}
const retrieval = {
  ...{ embedding: 'vectors@1.0.0', dataset: 'articles@1.0.0', build: { chunk: 400 } },
  artifact: { digest: `sha256:${'8'.repeat(64)}`, uri: 's3://indexes/8' },
}
