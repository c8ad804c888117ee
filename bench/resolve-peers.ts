import { compileSnapshot } from '../src/domain/compiled-snapshot'
import { type ResolveRequest, resolve } from '../src/domain/resolve'
import type { Snapshot } from '../src/domain/snapshot'
import { type Finding, inTurns, median, type Row, ratioText, rounded, type Side } from './measure'
import { peersOf } from './peers'
import { arms, type Peer, type PeerArm, type PeerRequest, type PeerWorld } from './peers/peer'
import { type Floor, floorOf, floorResolve } from './resolve-floor'
import { decode, snapshotOf, type Wire, type World, wireOf, worlds } from './resolve-world'

/** So many that what the others left in the caches, some milliseconds of theirs, is a small part of a turn. */
const callsPerRound = 5_000
const wires = 4
const rounds = 40
const warmUp = 8
const compared = 20_000
const seed = 20_260_202
/** Every system hashes in its own way, so shares agree, not single conversations: four standard deviations. */
const deviations = 4

/** What was answered last: held here so that no call can be optimised away. */
export let sink: unknown

/** `resolve` against other systems that decide by tenant, ring and a share of conversations. */
export async function benchPeers(): Promise<Finding[]> {
  const rows: Row[] = []
  for (const world of worlds.slice(0, 2)) rows.push(...(await rowsOf(world)))
  return [{ benchmark: 'peers', about: 'one decision of the newest allocation, one process, in turns', rows }]
}

async function rowsOf(world: World): Promise<readonly Row[]> {
  const snapshot = snapshotOf(world)
  const sides = { compiled: compileSnapshot(snapshot), floor: floorOf(snapshot) }
  const peers = await peersOf(peerWorldOf(snapshot))
  const heads = new Map(Object.values(snapshot.lanes).map(({ task, entries }) => [task, (entries.at(-1)?.at ?? 0) + 1]))
  const ask = (wire: Wire): ResolveRequest[] =>
    decode(wire).map((request) => ({ ...request, startedAt: heads.get(request.task) ?? 0 }))
  const first = ask(wireOf(world, 'start', compared, seed))
  const expected = first.map((request) => armOf(resolve(sides.compiled, request)))
  for (const peer of peers) assertSameShares(peer.name, expected, await peer.decide(asPeers(snapshot, first)))
  const kept = Array.from({ length: wires }, (_, index) => wireOf(world, 'start', callsPerRound, seed + 1 + index))
  const turns = (): (() => ResolveRequest[]) => {
    let turn = 0
    return () => ask(kept[turn++ % wires] as Wire)
  }
  const [ours, floors] = [turns(), turns()]
  const theirs = peers.map((peer): [string, Side] => {
    const requests = turns()
    return [peer.name, () => timePeer(peer, asPeers(snapshot, requests()))]
  })
  const samples: Readonly<Record<string, readonly number[]>> = await inTurns({
    rounds,
    warmUp,
    sides: {
      floor: () => timeFloor(sides.floor, floors()),
      resolve: () => timeOurs(sides.compiled, ours()),
      ...Object.fromEntries(theirs),
    },
  })
  for (const peer of peers) await peer.close()
  return Object.entries(samples).map(([system, taken]) => ({
    world: world.name,
    system,
    ns: rounded(median(taken)),
    'system ÷ resolve': ratioText(taken, samples.resolve ?? []),
  }))
}

function timeOurs(compiled: ReturnType<typeof compileSnapshot>, requests: readonly ResolveRequest[]): number {
  const from = performance.now()
  for (const request of requests) sink = resolve(compiled, request)
  return ((performance.now() - from) * 1e6) / requests.length
}

function timeFloor(floor: Floor, requests: readonly ResolveRequest[]): number {
  const from = performance.now()
  for (const request of requests) sink = floorResolve(floor, request)
  return ((performance.now() - from) * 1e6) / requests.length
}

async function timePeer(peer: Peer, requests: readonly PeerRequest[]): Promise<number> {
  const from = performance.now()
  sink = await peer.decide(requests)
  return ((performance.now() - from) * 1e6) / requests.length
}

/** The newest entry of each lane, as the other systems would be configured for it. */
function peerWorldOf({ lanes, tenants }: Snapshot): PeerWorld {
  const [pilots, rest] = Object.values(lanes)[0]?.entries.at(-1)?.exposure ?? []
  if (pilots === undefined || rest === undefined) throw new Error('the newest entry has no two slices')
  const pinned = new Map<string, string[]>(Object.keys(lanes).map((task) => [task, []]))
  for (const [tenant, history] of Object.entries(tenants)) {
    for (const task of Object.keys(history.at(-1)?.state.tasks ?? {})) pinned.get(task)?.push(tenant)
  }
  return {
    tasks: Object.keys(lanes),
    pinned: (task) => pinned.get(task) ?? [],
    pilotBasisPoints: pilots.basisPoints,
    restBasisPoints: rest.basisPoints,
  }
}

const asPeers = ({ tenants }: Snapshot, requests: readonly ResolveRequest[]): readonly PeerRequest[] =>
  requests.map(({ task, tenant, conversation }) => ({
    task,
    tenant,
    conversation,
    ring: tenants[tenant]?.at(-1)?.state.ring ?? 'general',
  }))

function armOf(answer: ReturnType<typeof resolve>): PeerArm {
  if ('skip' in answer) throw new Error(`nothing is served: ${answer.skip}`)
  return answer.reason === 'override' ? 'pinned' : answer.arm === 'candidate' ? 'candidate' : 'incumbent'
}

function assertSameShares(name: string, expected: readonly PeerArm[], decided: readonly string[]): void {
  const free = expected.filter((arm) => arm !== arms.pinned).length
  const share = (arm: string, values: readonly string[]) => values.filter((value) => value === arm).length
  const pinnedAlike = expected.every((arm, index) => (arm === arms.pinned) === (decided[index] === arms.pinned))
  const apart = Math.abs(share(arms.candidate, expected) - share(arms.candidate, decided))
  if (!pinnedAlike) throw new Error(`${name} pins others than resolve does`)
  // Two independent splits of as many conversations: their difference has twice the variance of one.
  if (apart > deviations * Math.sqrt(2 * free * 0.25)) throw new Error(`${name} has another share: ${apart} apart`)
  if (share(arms.candidate, decided) + share(arms.incumbent, decided) !== free) throw new Error(`${name} skips some`)
}
