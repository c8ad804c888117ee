import type { ErrorCode } from '../../../src/errors'
import type { CutGround } from './cut-ground'

/** A call that must be refused, of the route of that name. */
export interface RefusedCall {
  readonly route: string
  readonly path: string
  readonly body?: unknown
  readonly file?: string
  readonly code: ErrorCode
}

const because = { reason: 'for a test' }
const nowhere = `sha256:${'0'.repeat(64)}`
const release = '01JDREQ0EST00000000000000A'
const draft = (kind: string, content: unknown, rest: object = {}) => ({
  ...{ kind, name: 'fresh', semver: '1.0.0', content, description: 'for a test' },
  ...rest,
})
const nul = '%00'

/** At least one for each route that changes something, beside those that every route refuses. */
export function refusedCalls(ground: CutGround): readonly RefusedCall[] {
  return [...catalogCalls(ground), ...laneCalls(ground), ...liveCalls(ground)].map(([route, code, call = {}]) => {
    const [, path = ''] = route.split(' ')
    return { route, code, path, ...call }
  })
}

type Row = readonly [route: string, code: ErrorCode, call?: Partial<RefusedCall>]

function catalogCalls({ task }: CutGround): readonly Row[] {
  const artifact = 'POST /v1/artifacts'
  const roles = { prompt: 'mood-0@1.0.0', engine: 'small@1.0.0' }
  const definition = { roles, suite: 'suite/mood@1.0.0', policy: 'policy/direct@1.0.0' }
  return [
    [artifact, 'unknown_kind', { body: draft('promt', {}) }],
    [artifact, 'invalid_content', { body: draft('prompt', { txt: 'Hi' }) }],
    [artifact, 'invalid_request', { body: draft('prompt', JSON.parse('{"text":"Hi","__proto__":{"a":1}}')) }],
    [artifact, 'unknown_ref', { body: draft('mapping', { fields: { mood: 'field/none@1.0.0' } }) }],
    [artifact, 'invalid_content', { body: draft('mapping', { fields: { mood: 'a field' } }) }],
    [artifact, 'version_exists', { body: draft('prompt', { text: 'other' }, { name: 'mood-0' }) }],
    [artifact, 'semver_understated', { body: draft('suite', understated, { name: 'mood', semver: '1.0.1' }) }],
    ['POST /v1/workspaces/check', 'unknown_kind', { body: { artifacts: [draft('promt', {})] } }],
    ['POST /v1/composites', 'unknown_ref', { body: { roles: { prompt: 'none@1.0.0' } } }],
    ['POST /v1/composites', 'invalid_request', { body: { roles: {} } }],
    ['POST /v1/composites', 'invalid_request', { body: { roles: { 'Prompt!': 'prompt/mood-0@1.0.0' } } }],
    ['POST /v1/composites', 'not_found', { body: { roles, parents: [nowhere] } }],
    ['POST /v1/composites/import', 'digest_mismatch', { file: 'no line of a file\n' }],
    ['POST /v1/composites/import', 'invalid_request', { body: {} }],
    ['POST /v1/datasets/rows', 'invalid_content', { body: { rows: [{ id: 'a' }, 7] } }],
    ['POST /v1/datasets/merge', 'unknown_ref', { body: { roots: [nowhere] } }],
    [
      'PUT /v1/tasks/:task',
      'unknown_ref',
      { path: `/v1/tasks/${task}`, body: { ...definition, suite: 'suite/none@1.0.0' } },
    ],
    ['PUT /v1/tasks/:task', 'unknown_task', { path: `/v1/tasks/${task}`, body: { ...definition, supersedes: 'none' } }],
    ['PUT /v1/tasks/:task', 'invalid_request', { path: '/v1/tasks/No%20Name', body: definition }],
    ['POST /v1/promotions', 'merge_refused', { body: promotion('prompt/exp@1.0.0-exp.1', 'prompt/mood-0@1.0.0') }],
    ['POST /v1/promotions', 'promotion_refused', { body: promotion('filter/calls@1.0.0') }],
    [
      'POST /v1/suites/:ref/evaluations',
      'unknown_ref',
      { path: '/v1/suites/suite%2Fnone@1.0.0/evaluations', body: { candidate: nowhere } },
    ],
    ['POST /v1/evaluations/compare', 'not_found', { body: { before: 'none', after: 'none' } }],
  ]
}

const promotion = (...from: readonly string[]) => ({ from, as: 'better@1.0.0', description: 'for a test' })
const understated = {
  dataset: 'dataset/cases@1.0.0',
  scorers: [{ name: 'other', scorer: 'exact' }],
  primary: 'other',
  thresholds: { minAccuracy: 0.9 },
}

function laneCalls({ task, versions }: CutGround): readonly Row[] {
  const lane = (name: string, verb: string) => `/v1/environments/production/tasks/${name}/${verb}`
  const rollback = 'POST /v1/environments/:env/tasks/:task/rollback'
  const disable = 'POST /v1/environments/:env/tasks/:task/disable'
  const enable = 'POST /v1/environments/:env/tasks/:task/enable'
  const tenant = 'PUT /v1/tenants/:tenant'
  const overrides = `/v1/tenants/acme/overrides/${task}`
  const outbox = 'POST /v1/outbox/:id/resend'
  return [
    [rollback, 'no_previous', { path: lane('none', 'rollback'), body: because }],
    [rollback, 'not_settled', { path: lane(task, 'rollback'), body: { ...because, to: versions[3] } }],
    [rollback, 'lane_moved', { path: lane(task, 'rollback'), body: { ...because, base: 1 } }],
    [rollback, 'invalid_request', { path: lane(task, 'rollback'), body: { reason: ' ' } }],
    [disable, 'not_found', { path: lane('none', 'disable'), body: because }],
    [enable, 'not_found', { path: lane('none', 'enable'), body: because }],
    ['DELETE /v1/holds', 'not_found', { path: `/v1/holds?environment=production&task=${task}&reason=x` }],
    [tenant, 'invalid_request', { path: '/v1/tenants/acme', body: { ring: 'inner', ...because } }],
    [tenant, 'invalid_id', { path: `/v1/tenants/a${nul}b`, body: because }],
    [
      'PUT /v1/tenants/:tenant/opt-outs/:task',
      'unknown_task',
      { path: '/v1/tenants/acme/opt-outs/none', body: because },
    ],
    [
      'PUT /v1/tenants/:tenant/tasks/:task',
      'unknown_task',
      { path: '/v1/tenants/acme/tasks/none', body: { runs: true, ...because } },
    ],
    [
      'PUT /v1/tenants/:tenant/overrides/:task',
      'unknown_task',
      { path: '/v1/tenants/acme/overrides/none', body: { prompt: 'mood-0@1.0.0', ...because } },
    ],
    [
      'PUT /v1/tenants/:tenant/overrides/:task',
      'unknown_ref',
      { path: overrides, body: { prompt: 'none@1.0.0', ...because } },
    ],
    ['DELETE /v1/tenants/:tenant/overrides/:task', 'not_found', { path: `${overrides}?reason=x` }],
    [outbox, 'not_found', { path: '/v1/outbox/none/resend' }],
    [
      'PUT /v1/channels/:name',
      'invalid_request',
      { path: '/v1/channels/partners', body: { type: 'webhook', options: { url: 7 } } },
    ],
    ['PUT /v1/keys/:id', 'invalid_request', { path: `/v1/keys/${nowhere}`, body: { name: 'Sluice', role: 'app' } }],
    ['PUT /v1/keys/:id', 'invalid_request', { path: `/v1/keys/${nowhere}`, body: { name: ' ', role: 'app' } }],
    ['DELETE /v1/keys/:id', 'not_found', { path: `/v1/keys/${nowhere}` }],
    ['POST /v1/gc/runs', 'invalid_request', { body: { sooner: true } }],
    ['POST /v1/gc/runs/:id/cancel', 'not_found', { path: '/v1/gc/runs/none/cancel' }],
    ...['confirm', 'dismiss'].map(
      (verb): Row => [
        `POST /v1/provider-changes/:id/${verb}`,
        'not_found',
        { path: `/v1/provider-changes/${nowhere}/${verb}`, body: because },
      ],
    ),
    [
      'PUT /v1/gc/policy',
      'invalid_request',
      { body: { experimentDays: -1, uploadDays: 3, heavyBytes: 1, ...because } },
    ],
  ]
}

function liveCalls({ task }: CutGround): readonly Row[] {
  const request = { task, change: { prompt: 'mood-3@1.0.0' }, why: 'for a test' }
  const capture = 'PUT /v1/environments/:env/tasks/:task/capture'
  const asked = { basisPoints: 500, ...because }
  const batch = { reporter: 'reporter-1', environment: 'nowhere', dropped: 0 }
  const telemetry = { ...batch, appliedHeads: {}, strata: [], requests: [], late: [], lateOutcomes: [] }
  const question = { environment: 'production', task, tenant: 'acme', conversation: 'c', startedAt: 1 }
  const commands = ['pause', 'resume', 'approve', 'reject', 'advance', 'rollback']
  return [
    ['POST /v1/releases', 'unknown_task', { body: { ...request, task: 'none' } }],
    ['POST /v1/releases', 'unknown_ref', { body: { ...request, change: { prompt: 'none@1.0.0' } } }],
    ['POST /v1/plans', 'plan_refused', { body: { ...request, change: { prompt: 'mood-2@1.0.0' } } }],
    ['POST /v1/releases', 'plan_refused', { body: { ...request, change: { prompt: 'mood-2@1.0.0' } } }],
    ['POST /v1/plans', 'unknown_task', { body: { ...request, task: 'none' } }],
    ...commands.map(
      (name): Row => [
        `POST /v1/releases/:id/${name}`,
        'not_found',
        { path: `/v1/releases/${release}/${name}`, body: because },
      ],
    ),
    [capture, 'unknown_task', { path: '/v1/environments/production/tasks/none/capture', body: asked }],
    [capture, 'unknown_environment', { path: `/v1/environments/nowhere/tasks/${task}/capture`, body: asked }],
    ['POST /v1/captures', 'unknown_environment', { body: { ...batch, captures: [] } }],
    ['DELETE /v1/captures', 'invalid_id', { path: `/v1/captures?tenant=a${nul}b&conversation=c` }],
    ['POST /v1/telemetry', 'unknown_environment', { body: telemetry }],
    ['POST /v1/telemetry', 'invalid_request', { body: JSON.parse(`{"reporter":"reporter-1","__proto__":{}}`) }],
    ['POST /v1/shadow', 'unknown_environment', { body: { reporter: 'reporter-1', environment: 'nowhere', pairs: [] } }],
    ['POST /v1/resolve', 'unknown_environment', { body: { ...question, environment: 'nowhere' } }],
    ['POST /v1/resolve', 'unknown_task', { body: { ...question, task: 'none' } }],
    ['POST /v1/requests/:id/reproductions', 'not_found', { path: '/v1/requests/none/reproductions', body: {} }],
    [
      'POST /v1/tasks/:task/rescores',
      'unknown_ref',
      { path: `/v1/tasks/${task}/rescores`, body: { suite: 'suite/none@1.0.0' } },
    ],
    [
      'POST /v1/tasks/:task/rescores',
      'unknown_task',
      { path: '/v1/tasks/none/rescores', body: { suite: 'suite/mood@1.0.0' } },
    ],
  ]
}
