import { randomUUID } from 'node:crypto'
import { ulid } from 'ulid'
import { type CommandName, commandNames } from '../../../src/domain/release'
import type { CutGround } from './cut-ground'
import type { RouteCase } from './route-case'

const because = { reason: 'for a test' }
const request = ({ task }: CutGround) => ({ task, change: { prompt: 'mood-3@1.0.0' }, why: 'for a test' })

export const releaseCases: readonly RouteCase[] = [
  {
    route: 'POST /v1/releases',
    mayStay: {
      releases: 'A record that no workflow took up is ended by the reconciler; the call sent again takes it up.',
    },
    prepare: async (ground) => ({ path: '/v1/releases', body: request(ground) }),
  },
  {
    route: 'POST /v1/plans',
    mayStay: {
      composites: 'The candidate of a plan: a composite is named by its content, and this one serves nowhere.',
    },
    prepare: async (ground) => ({
      path: '/v1/plans',
      body: { ...request(ground), change: { engine: 'large@1.0.0' } },
    }),
  },
  ...commandNames.map(commandCase),
  {
    route: 'POST /v1/tasks/:task/rescores',
    prepare: async ({ task }) => ({ path: `/v1/tasks/${task}/rescores`, body: { suite: 'suite/mood@1.0.0' } }),
    mayStay: {
      rescores: 'A run without a workflow is given back to who asks again.',
      rescore_items: 'They belong to the run.',
    },
  },
]

/** Of a release whose workflow is gone: it takes no command, and a rollback is written without it. */
function commandCase(name: CommandName): RouteCase {
  return {
    route: `POST /v1/releases/:id/${name}`,
    ...(name === 'rollback'
      ? {}
      : {
          status: 409,
          writesNothing: 'The workflow writes what it decides; `worker-killed.test.ts` kills it at every step.',
        }),
    prepare: async (ground) => ({ path: `/v1/releases/${await openRelease(ground)}/${name}`, body: because }),
  }
}

/** Its first step is in production, and its workflow is gone. */
export async function openRelease(ground: CutGround): Promise<string> {
  const { store, lane, versions, task, lanes } = ground
  const id = ulid()
  const record = { task, request: request(ground), author: 'ann', workflowId: `release/${id}`, runId: randomUUID() }
  await store.releases.adopt({ id, ...record })
  const plan = await store.planner.plan(request(ground))
  await store.releases.update(id, { plan: await store.releases.putPlan(plan), candidate: versions[3] })
  await lane.step(versions[3], { releaseId: id, policy: lanes.policy })
  return id
}
