import { emptyBatch, unitName, unitReport } from '../traffic'
import { type CutGround, seededRequest } from './cut-ground'
import type { RouteCase } from './route-case'

const because = { reason: 'for a test' }
const dayMs = 24 * 3_600_000
const content = (number: number, conversation: string) => ({
  ...{ requestId: `request-${number}`, conversation, tenant: 'acme', input: { transcript: `text ${number}` } },
  output: { mood: 'good' },
})

const asked = ({ store, task }: CutGround, basisPoints = 10_000) =>
  store.captures.setPolicy({ environment: 'production', task, basisPoints, retentionMs: dayMs, by: 'ann', ...because })

export const captureCases: readonly RouteCase[] = [
  {
    route: 'PUT /v1/environments/:env/tasks/:task/capture',
    prepare: async ({ task }) => ({
      path: `/v1/environments/production/tasks/${task}/capture`,
      body: { basisPoints: 500, retentionDays: 7, ...because },
    }),
  },
  {
    route: 'POST /v1/captures',
    mayStay: {
      captureKeys: 'A key without contents opens nothing and ends with its retention.',
      captureContents:
        'Contents are delivered one by one and named by their request; the reporter sends the batch again.',
      captureIndex: 'As the contents.',
      reporters: 'Who reports, seen before what is reported.',
    },
    apart: {
      'captureKeys.contents': 'A bound that counts repeated deliveries.',
      'captureKeys.wrapped': 'A key that is drawn afresh.',
      'captureContents.nonce': 'Drawn afresh.',
      'captureContents.sealed': 'Sealed with what is drawn afresh.',
      'captureReporters.refused': 'What was refused, repeated deliveries counted.',
    },
    async prepare(ground) {
      await asked(ground)
      const { task } = ground
      const captures = [content(1, 'one'), content(2, 'one'), content(3, 'two')].map((one) => ({ ...one, task }))
      const refused = { requestId: 'refused', task: 'nobody asked', tenant: 'acme', conversation: 'one' }
      const delivery = { reporter: 'reporter-1', environment: 'production', dropped: 2 }
      return { path: '/v1/captures', body: { ...delivery, captures: [...captures, refused] } }
    },
  },
  {
    route: 'DELETE /v1/captures',
    async prepare(ground) {
      await asked(ground)
      const contents = [{ ...content(1, 'one'), task: ground.task }]
      await ground.store.captures.take({ reporter: 'reporter-1', environment: 'production', dropped: 0, contents })
      return { path: '/v1/captures?tenant=acme&conversation=one&reason=asked' }
    },
  },
  {
    route: 'POST /v1/telemetry',
    mayStay: {
      reporters: 'Who reports, seen before what is reported.',
      units: 'Units are absolute and numbered by revision: the batch that is sent again overwrites them with the same.',
      tenantUnits: 'As the units.',
      strata: 'As the units: exact differences in the same transaction.',
      series: 'As the units.',
      requestBuckets: 'Rows are named by their request: the batch is sent again.',
      lateOutcomes: 'Rows are named by what they are told of and their id: the batch is sent again.',
      provider_pairs: 'Sets of conversations: the batch is sent again.',
    },
    apart: {
      'series._id': 'It names the minute and a shard that is drawn.',
      'series.seconds': 'Its names are seconds of the clock.',
      'series.shard': 'Drawn afresh.',
      'strata._id': 'It names a shard that is drawn.',
      'strata.shard': 'Drawn afresh.',
    },
    prepare: async (ground) => ({ path: '/v1/telemetry', body: await batch(ground) }),
  },
  {
    route: 'POST /v1/shadow',
    writesNothing: 'Nothing is taken where no release is shadowed.',
    prepare: async () => ({
      path: '/v1/shadow',
      body: { reporter: 'reporter-1', environment: 'production', pairs: [] },
    }),
  },
  {
    route: 'POST /v1/resolve',
    writesNothing: 'It answers what serves.',
    prepare: async ({ task, store }) => ({
      path: '/v1/resolve',
      body: {
        environment: 'production',
        task,
        tenant: 'acme',
        conversation: 'c',
        startedAt: await store.database.now(),
      },
    }),
  },
  {
    route: 'POST /v1/requests/:id/reproductions',
    mayStay: { reproductions: 'A run that nobody drives is shown as interrupted.' },
    async prepare(ground) {
      const { store } = ground
      await store.telemetry.ingest(await batch(ground), 'ann')
      return {
        path: `/v1/requests/${seededRequest}/reproductions`,
        body: { repeats: 1, input: { transcript: 'good' } },
      }
    },
    async settled(store) {
      const runs = store.database.collection('reproductions')
      while ((await runs.countDocuments({ state: 'running' })) > 0)
        await new Promise((resolve) => setImmediate(resolve))
    },
  },
]

async function batch({ lane, task, versions, store }: CutGround) {
  const at = await store.database.now()
  const composite = versions[2]
  const { headSeq: seq } = await lane.state()
  const stratum = { task, seq, slice: -1, arm: 'none' as const, composite }
  const units = [1, 2, 3].map((number) => unitReport({ unit: unitName(number) }))
  const request = {
    ...{ ...stratum, requestId: seededRequest, tenant: 'acme', conversation: 'c', reason: 'incumbent', binding: 'b' },
    ...{ at, outcome: 'ok' as const, latencyMs: 100, inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0.1 },
    ...{ uncachedCostUsd: 0.1, cacheAgeMs: 0, headSeq: seq, tenantSeq: 0, stale: false },
    ...{ model: 'large', fingerprint: 'fp_1' },
  }
  const outcome = { id: 'o', task, tenant: 'acme', conversation: 'c', metric: 'stars', value: 4, at }
  return {
    ...emptyBatch('reporter-1'),
    strata: [{ ...stratum, units }],
    requests: [request, { ...request, requestId: 'second' }],
    lateOutcomes: [outcome, { ...outcome, id: 'p' }],
  }
}
