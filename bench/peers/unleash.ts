import { EventEmitter } from 'node:events'
import { InMemStorageProvider, Unleash } from 'unleash-client'
import { arms, type Peer, type PeerWorld } from './peer'

/** Unleash's client on bootstrapped toggles; it never starts to fetch. */
export async function unleash(world: PeerWorld): Promise<Peer> {
  const constraint = (contextName: string, values: readonly string[]) => ({
    contextName,
    operator: 'IN' as never,
    inverted: false,
    values: [...values],
  })
  const rollout = (
    groupId: string,
    percentage: number,
    name: string,
    constraints: ReturnType<typeof constraint>[],
  ) => ({
    name: 'flexibleRollout',
    parameters: { rollout: String(percentage), stickiness: 'sessionId', groupId },
    constraints,
    variants: [{ name, weight: 1_000, stickiness: 'sessionId', payload: { type: 'string' as never, value: name } }],
  })
  const toggleOf = (task: string) => ({
    name: task,
    enabled: true,
    strategies: [
      rollout(`${task}-pinned`, 100, arms.pinned, [constraint('tenant', world.pinned(task))]),
      rollout(`${task}-pilot`, world.pilotBasisPoints / 100, arms.candidate, [constraint('ring', ['pilot'])]),
      rollout(`${task}-rest`, world.restBasisPoints / 100, arms.candidate, [notPilot]),
    ],
  })
  const notPilot = { ...constraint('ring', ['pilot']), inverted: true }
  const client = new Unleash({
    appName: 'bench',
    url: 'http://127.0.0.1:9',
    disableAutoStart: true,
    disableMetrics: true,
    skipInstanceCountWarning: true,
    storageProvider: new InMemStorageProvider(),
    repository: new Toggles(world.tasks.map(toggleOf)) as never,
  })
  await client.start()
  return {
    name: 'Unleash',
    decide: (requests) =>
      requests.map(({ task, tenant, ring, conversation }) => {
        const context = { sessionId: conversation, properties: { tenant, ring } }
        const { name, enabled } = client.getVariant(task, context)
        return enabled ? name : arms.incumbent
      }),
    close: () => client.destroy(),
  }
}

type Toggle = { readonly name: string }

/** The toggles as its repository would hold them after a fetch. */
class Toggles extends EventEmitter {
  private readonly byName: ReadonlyMap<string, Toggle>

  constructor(toggles: readonly Toggle[]) {
    super()
    this.byName = new Map(toggles.map((toggle) => [toggle.name, toggle]))
  }

  getToggle(name: string): Toggle | undefined {
    return this.byName.get(name)
  }

  getToggles(): Toggle[] {
    return [...this.byName.values()]
  }

  getTogglesWithSegmentData(): Toggle[] {
    return this.getToggles()
  }

  getSegment(): undefined {
    return undefined
  }

  stop(): void {
    this.removeAllListeners()
  }

  async start(): Promise<void> {
    this.emit('ready')
  }
}
