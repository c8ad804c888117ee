import { FlagdCore } from '@openfeature/flagd-core'
import { arms, type Peer, type PeerWorld } from './peer'

const hundredths = 100

/** flagd's own evaluation core, in process. */
export function flagd(world: PeerWorld): Peer {
  const split = (basisPoints: number) => ({
    fractional: [
      { var: 'conversation' },
      [arms.candidate, basisPoints / hundredths],
      [arms.incumbent, (10_000 - basisPoints) / hundredths],
    ],
  })
  const flagOf = (task: string) => ({
    state: 'ENABLED',
    variants: arms,
    defaultVariant: arms.incumbent,
    targeting: {
      if: [
        { in: [{ var: 'tenant' }, world.pinned(task)] },
        arms.pinned,
        { '===': [{ var: 'ring' }, 'pilot'] },
        split(world.pilotBasisPoints),
        split(world.restBasisPoints),
      ],
    },
  })
  const core = new FlagdCore()
  core.setConfigurations(JSON.stringify({ flags: Object.fromEntries(world.tasks.map((task) => [task, flagOf(task)])) }))
  return {
    name: 'flagd core',
    decide: (requests) =>
      requests.map(({ task, tenant, ring, conversation }) => {
        const context = { targetingKey: conversation, tenant, ring, conversation }
        return core.resolveStringEvaluation(task, 'none', context).value
      }),
    close: () => undefined,
  }
}
