import { basicLogger, init } from '@launchdarkly/node-server-sdk'
import { TestData } from '@launchdarkly/node-server-sdk/integrations'
import { arms, type Peer, type PeerWorld } from './peer'

const variations = [arms.pinned, arms.candidate, arms.incumbent]
const startSeconds = 10
/** Weights of a rollout are thousandths of a per cent. */
const perBasisPoint = 10

/** LaunchDarkly's server SDK on its own test data source, without events. Its evaluation is asynchronous by design. */
export async function launchDarkly(world: PeerWorld): Promise<Peer> {
  const split = (basisPoints: number) => ({
    contextKind: 'conversation',
    variations: [
      { variation: 1, weight: basisPoints * perBasisPoint },
      { variation: 2, weight: (10_000 - basisPoints) * perBasisPoint },
    ],
  })
  const clause = (contextKind: string, attribute: string, values: readonly string[]) => ({
    contextKind,
    attribute,
    op: 'in',
    negate: false,
    values,
  })
  const data = new TestData()
  for (const task of world.tasks) {
    await data.usePreconfiguredFlag({
      key: task,
      version: 1,
      on: true,
      salt: task,
      variations,
      rules: [
        { id: 'pinned', variation: 0, clauses: [clause('tenant', 'key', world.pinned(task))] },
        { id: 'pilot', rollout: split(world.pilotBasisPoints), clauses: [clause('tenant', 'ring', ['pilot'])] },
      ],
      fallthrough: { rollout: split(world.restBasisPoints) },
      offVariation: 2,
    })
  }
  const client = init('sdk-none', {
    updateProcessor: data.getFactory(),
    sendEvents: false,
    diagnosticOptOut: true,
    logger: basicLogger({ level: 'none' }),
  })
  await client.waitForInitialization({ timeout: startSeconds })
  return {
    name: 'LaunchDarkly',
    async decide(requests) {
      const decided: string[] = []
      for (const { task, tenant, ring, conversation } of requests) {
        const context = { kind: 'multi', tenant: { key: tenant, ring }, conversation: { key: conversation } } as const
        decided.push(await client.stringVariation(task, context, 'none'))
      }
      return decided
    },
    close: () => client.close(),
  }
}
