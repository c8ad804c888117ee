import { bucketOf } from '../src/domain/bucket'
import type { Plan } from '../src/domain/plan'
import type { Policy } from '../src/domain/policy'
import type { Digest } from '../src/domain/version'
import { simulatedPolicy } from '../tools/simulated-release'
import { environment, type LiveArm, type LiveLane } from './live-lane'

/** The guardrails of the default policy, an error breaker, and a budget that looks back an hour. */
export function watchedPolicy(): Policy {
  const simulated = simulatedPolicy(0.25)
  return { ...simulated, breakers: [...simulated.breakers, { kind: 'budget', usdPerHour: 1_000 }] }
}

export const armOf = ({ by, releaseId }: LiveLane, tenant: string, unit: string): LiveArm =>
  bucketOf(releaseId, tenant, by === 'tenant' ? undefined : unit) < 5_000 ? 'candidate' : 'incumbent'

export const requestOn = (task: string) => ({ task, change: { prompt: 'bench@2.0.0' }, why: 'a benchmark' })

/** The plan of a release whose only step is in force. */
export function planOf({ task, step, by, incumbent, candidate }: LiveLane, policy: Digest): Plan {
  const nobody = { affected: [], pilots: [], overridden: [], optedOut: [], notSubscribed: [], lostPilots: [] }
  return {
    request: requestOn(task),
    task,
    candidate,
    policy,
    suite: incumbent,
    lanes: [{ environment, baseSeq: 1, incumbent }],
    changes: [],
    changeClass: 'safe',
    risk: 'configuration',
    steps: [
      {
        name: step,
        stage: 'rollout',
        environment,
        exposure: [{ to: 'rest', basisPoints: 5_000, by }],
        bakeMs: 60_000,
        minimumSample: 100,
      },
    ],
    blastRadius: { ...nobody, counts: { affected: 0, pilots: 0, overridden: 0, optedOut: 0, notSubscribed: 0 } },
    warnings: [],
    forecast: [],
    rollback: 'to the incumbent',
  }
}
