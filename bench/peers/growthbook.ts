import { GrowthBookClient } from '@growthbook/growthbook'
import { arms, type Peer, type PeerWorld } from './peer'

/** GrowthBook's multi-user client on a payload in memory. */
export function growthbook(world: PeerWorld): Peer {
  const split = (key: string, basisPoints: number) => ({
    variations: [arms.candidate, arms.incumbent],
    weights: [basisPoints / 10_000, 1 - basisPoints / 10_000],
    hashAttribute: 'conversation',
    hashVersion: 2,
    key,
  })
  const featureOf = (task: string) => ({
    defaultValue: arms.incumbent as string,
    rules: [
      { condition: { tenant: { $in: [...world.pinned(task)] } }, force: arms.pinned as string },
      { condition: { ring: 'pilot' }, ...split(`${task}-pilot`, world.pilotBasisPoints) },
      split(`${task}-rest`, world.restBasisPoints),
    ],
  })
  const client = new GrowthBookClient<Record<string, string>>().initSync({
    payload: { features: Object.fromEntries(world.tasks.map((task) => [task, featureOf(task)])) },
  })
  return {
    name: 'GrowthBook',
    decide: (requests) =>
      requests.map(({ task, tenant, ring, conversation }) =>
        String(client.getFeatureValue(task, 'none', { attributes: { tenant, ring, conversation } })),
      ),
    close: () => client.destroy(),
  }
}
