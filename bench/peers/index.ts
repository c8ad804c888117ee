import { flagd } from './flagd'
import { growthbook } from './growthbook'
import { launchDarkly } from './launchdarkly'
import type { Peer, PeerWorld } from './peer'
import { unleash } from './unleash'

/** Every system that `resolve` is held against. */
export const peersOf = (world: PeerWorld): Promise<readonly Peer[]> =>
  Promise.all([flagd(world), growthbook(world), launchDarkly(world), unleash(world)])
