import type { Digest } from '../../../src/domain/version'
import { keyIdOf } from '../../../src/store/api-key'
import { Providers } from '../../../src/store/providers'
import { messageDraft } from '../messages'
import type { CutGround } from './cut-ground'
import type { RouteCase } from './route-case'
import { openRelease } from './route-cases-releases'

const lanePath = ({ task }: CutGround, verb: string) => `/v1/environments/production/tasks/${task}/${verb}`
const because = { reason: 'for a test' }
const whichRelease = 'Which release the order takes back: given again it goes by it, and no further back.'

export const laneCases: readonly RouteCase[] = [
  {
    route: 'POST /v1/environments/:env/tasks/:task/rollback',
    prepare: async (ground) => ({ path: lanePath(ground, 'rollback'), body: because }),
  },
  {
    route: 'POST /v1/environments/:env/tasks/:task/rollback',
    about: 'while a release is open',
    mayStay: { done: whichRelease },
    async prepare(ground) {
      await openRelease(ground)
      return { path: lanePath(ground, 'rollback'), body: because }
    },
  },
  {
    route: 'POST /v1/environments/:env/tasks/:task/rollback',
    about: 'of a settled release, whose notes are taken back',
    async prepare(ground) {
      await ground.lane.settle(ground.versions[3], { releaseId: await openRelease(ground) })
      return { path: lanePath(ground, 'rollback'), body: because }
    },
  },
  {
    route: 'POST /v1/environments/:env/tasks/:task/disable',
    prepare: async (ground) => ({ path: lanePath(ground, 'disable'), body: because }),
  },
  {
    route: 'POST /v1/environments/:env/tasks/:task/enable',
    async prepare(ground) {
      await ground.lane.flag(true)
      return { path: lanePath(ground, 'enable'), body: because }
    },
  },
  {
    route: 'DELETE /v1/holds',
    async prepare({ lane, task }) {
      await lane.rollback({ hold: true })
      return { path: `/v1/holds?environment=production&task=${task}&reason=mended` }
    },
  },
  {
    route: 'PUT /v1/tenants/:tenant',
    prepare: async () => ({ path: '/v1/tenants/acme', body: { ring: 'pilot', contacts: ['a@acme.test'], ...because } }),
  },
  {
    route: 'PUT /v1/tenants/:tenant/opt-outs/:task',
    prepare: async ({ task }) => ({ path: `/v1/tenants/acme/opt-outs/${task}`, body: because }),
  },
  {
    route: 'PUT /v1/tenants/:tenant/tasks/:task',
    prepare: async ({ task }) => ({ path: `/v1/tenants/acme/tasks/${task}`, body: { runs: false, ...because } }),
  },
  {
    route: 'PUT /v1/tenants/:tenant/overrides/:task',
    mayStay: { composites: 'A composite is named by its content; the override is the entry of the tenant.' },
    async prepare({ store, task, versions, lanes }) {
      const own = await store.catalog.commitComposite({ prompt: 'exp@1.0.0-exp.1', engine: 'small@1.0.0' })
      await lanes.judge(own.id, versions[2])
      await store.database.db.collection<{ _id: string }>('composites').deleteOne({ _id: own.id })
      return { path: `/v1/tenants/acme/overrides/${task}`, body: { prompt: 'exp@1.0.0-exp.1', ...because } }
    },
  },
  {
    route: 'DELETE /v1/tenants/:tenant/overrides/:task',
    async prepare({ store, task }) {
      await store.tenants.optOut('acme', task, { by: 'ann', reason: 'for a test' })
      return { path: `/v1/tenants/acme/overrides/${task}?reason=over` }
    },
  },
  {
    route: 'POST /v1/outbox/:id/resend',
    async prepare({ store }) {
      await store.outbox.enqueue([messageDraft()], 1)
      const claim = await store.outbox.claim(2)
      if (claim !== undefined) await store.outbox.settle(claim, { result: 'refused', reason: 'no such address' }, 3)
      return { path: `/v1/outbox/${encodeURIComponent('r1/release/acme/file')}/resend` }
    },
  },
  {
    route: 'PUT /v1/channels/:name',
    prepare: async () => ({
      path: '/v1/channels/partners',
      body: { type: 'webhook', options: { url: 'http://127.0.0.1:9/', secret: 'whsec_'.padEnd(50, 'a') } },
    }),
  },
  {
    route: 'PUT /v1/keys/:id',
    prepare: async () => ({ path: `/v1/keys/${keyIdOf('drawn')}`, body: { name: 'checkout', role: 'app' } }),
  },
  {
    route: 'DELETE /v1/keys/:id',
    async prepare({ store }) {
      await store.keys.put({ id: keyIdOf('drawn'), name: 'checkout', role: 'app' })
      return { path: `/v1/keys/${keyIdOf('drawn')}` }
    },
  },
  ...(['confirm', 'dismiss'] as const).map(
    (verb): RouteCase => ({
      route: `POST /v1/provider-changes/:id/${verb}`,
      async prepare({ store, versions }) {
        await suspect(store.database, versions[3])
        const [change] = await store.providers.suspected([versions[3]])
        return { path: `/v1/provider-changes/${change?.id}/${verb}`, body: because }
      },
    }),
  ),
  {
    route: 'PUT /v1/gc/policy',
    prepare: async () => ({
      path: '/v1/gc/policy',
      body: { experimentDays: 40, uploadDays: 3, heavyBytes: 100_000, ...because },
    }),
  },
  {
    route: 'POST /v1/gc/runs',
    mayStay: { gc_runs: 'A run without a workflow is given back to who asks again.' },
    prepare: async () => ({ path: '/v1/gc/runs', body: {} }),
  },
  {
    route: 'POST /v1/gc/runs/:id/cancel',
    prepare: async ({ store }) => ({ path: `/v1/gc/runs/${(await store.garbage.open('ann')).id}/cancel` }),
  },
]

/** What served was once `fp_1` and is now, says one application, `fp_2`. */
async function suspect(database: CutGround['database'], composite: Digest): Promise<void> {
  const providers = new Providers(database)
  const of = { basis: 'evaluation', by: 'sluice', reason: 'a test' } as const
  await providers.measured(composite, [{ model: 'large', fingerprint: 'fp_1' }], of)
  const reports = Array.from({ length: 30 }, (_, index) => ({
    ...{ model: 'large', fingerprint: 'fp_2', composite, tenant: 'acme', conversation: `c-${index}` },
  }))
  await providers.reported(reports, 'key-1')
}
