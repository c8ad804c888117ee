import { z } from 'zod'
import { laneId } from '../../domain/allocation'
import { SluiceError } from '../../errors'
import type { Store } from '../../store/store'
import type { ApiDeps, App } from '../app'
import { page } from '../catalog-schemas'
import { defined } from '../defined'

/** A hash chain, computed again from its links. */
export interface VerifiedChain {
  /** `production/csat-scoring`, or the id of a release. */
  readonly name: string
  readonly valid: boolean
  /** Links that hold; 0 where the chain is broken. */
  readonly length: number
  readonly problem?: string
}

const chain = z.object({
  name: z.string(),
  valid: z.boolean(),
  length: z.number().int(),
  problem: z.string().optional(),
})

const maxChains = 200
const query = z.strictObject({
  chains: z.enum(['lanes', 'releases']),
  environment: z.string().min(1).max(63).optional(),
  task: z.string().min(1).max(200).optional(),
  after: z.string().max(300).optional(),
  limit: z.coerce.number().int().min(1).max(maxChains).default(50),
})

/** The hash chains of lanes and of release decisions, verified a page at a time. */
export function auditRoutes(app: App, { store }: ApiDeps): void {
  const response = z.object({ items: z.array(chain), next: z.string().optional() })
  app.get('/v1/audit/verify', { schema: { querystring: query, response: { 200: response } } }, async (request) => {
    const { chains, limit, ...filter } = defined(request.query)
    const names = chains === 'lanes' ? await laneNames(store, filter) : await releaseIds(store, { ...filter, limit })
    const { items, next } = page(names, limit, (name) => name)
    const verified: VerifiedChain[] = []
    for (const name of items) verified.push(await verifyChain(store, chains, name))
    return { items: verified, ...(next === undefined ? {} : { next }) }
  })
}

interface Filter {
  readonly environment?: string
  readonly task?: string
  readonly after?: string
}

async function laneNames(store: Store, { environment, task, after = '' }: Filter): Promise<readonly string[]> {
  const lanes = task === undefined ? await store.ledger.lanes(environment) : await store.ledger.lanesOf(task)
  return lanes
    .filter((lane) => environment === undefined || lane.environment === environment)
    .map((lane) => laneId(lane.environment, lane.task))
    .filter((name) => name > after)
    .sort()
}

async function releaseIds(store: Store, filter: Filter & { readonly limit: number }): Promise<readonly string[]> {
  const { environment: _lanesOnly, limit, ...rest } = filter
  return (await store.releases.list({ ...rest, limit: limit + 1 })).map(({ id }) => id)
}

async function verifyChain(store: Store, chains: 'lanes' | 'releases', name: string): Promise<VerifiedChain> {
  try {
    const length =
      chains === 'lanes' ? await verifyLane(store, name) : (await store.releases.verifyDecisions(name)).decisions
    return { name, valid: true, length }
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'chain_broken')) throw error
    return { name, valid: false, length: 0, problem: error.message }
  }
}

/** An environment's name has no slash, so the first one divides. */
async function verifyLane(store: Store, name: string): Promise<number> {
  const slash = name.indexOf('/')
  return (await store.ledger.verify(name.slice(0, slash), name.slice(slash + 1))).entries
}
