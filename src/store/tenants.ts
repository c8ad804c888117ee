import type { ClientSession, Collection, Document } from 'mongodb'
import { assertId } from '../domain/bucket'
import { isVetoed, type LaneState, laneName } from '../domain/lane'
import {
  type LanePin,
  type Ring,
  type TenantEntry,
  type TenantState,
  type TenantTask,
  unknownTenant,
} from '../domain/tenant'
import { wellFormed } from '../domain/text'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { chained, chainHash } from './canonical'
import type { CollectionSpec, Database } from './database'
import type { Ledger } from './ledger'
import type { DeployGate } from './ledger-requests'
import { once } from './once'

/** Tenant entries take effect after the same lead as forward lane entries, so that every app has them by then. */
export const tenantLeadMs = 2_000

export interface TenantSettings {
  readonly ring?: Ring
  readonly region?: string
  readonly locale?: string
  readonly contacts?: readonly string[]
}

export interface Author {
  readonly by: string
  readonly reason: string
}

/** Who changes a tenant. The same `key` changes it once; without one every call is another one. */
export interface TenantAuthor extends Author {
  readonly key?: string
}

export interface OverrideRequest {
  readonly tenant: string
  readonly task: string
  /** The production incumbent it was derived from. */
  readonly base: Digest
  readonly composite: Digest
  readonly policy: Digest
}

/** Tenants: rings, subscriptions, opt-outs and overrides, each tenant an append-only ledger of its own. */
export interface Tenants {
  /** The newest entry; undefined: unknown, so ring `general` and every task that supersedes none. */
  current(tenant: string): Promise<TenantEntry | undefined>
  history(tenant: string, limit?: number): Promise<TenantEntry[]>
  /** One entry; undefined where the tenant's ledger has none of this number. */
  entry(tenant: string, seq: number): Promise<TenantEntry | undefined>
  /** Newest entry of every known tenant, by id. */
  list(page?: { after?: string; limit?: number }): Promise<TenantEntry[]>
  /** Sets what is given, keeps the rest; appends nothing where nothing changes. */
  put(tenant: string, settings: TenantSettings, author: TenantAuthor): Promise<TenantEntry>
  setRuns(tenant: string, task: string, runs: boolean, author: TenantAuthor): Promise<TenantEntry>
  /** Pins each lane's incumbent of this moment. */
  optOut(tenant: string, task: string, author: TenantAuthor): Promise<TenantEntry>
  /**
   * Codes: tenant_pending where the override's composite has no passing evidence against its base; lane_moved where the
   * base is no lane's incumbent (any more), so that an override is never made from a candidate or from what was withdrawn.
   */
  override(request: OverrideRequest, author: TenantAuthor): Promise<TenantEntry>
  /** Back to the global allocation: drops override and opt-out. Code not_found where there is neither. */
  reset(tenant: string, task: string, author: TenantAuthor): Promise<TenantEntry>
  /** Recomputes the chain of a tenant from its entries; `chain_broken` where they or the head do not fit. */
  verify(tenant: string): Promise<{ entries: number }>
}

type EntryDocument = TenantEntry & { _id: string }

const entryValidator: Document = {
  $jsonSchema: {
    bsonType: 'object',
    required: ['tenant', 'seq', 'at', 'by', 'reason', 'state', 'prev', 'hash'],
    properties: { seq: { bsonType: 'number', minimum: 1 }, hash: { bsonType: 'string' } },
  },
}

export const tenantCollections: readonly CollectionSpec[] = [
  {
    name: 'tenantEntries',
    validator: entryValidator,
    indexes: [{ key: { tenant: 1, seq: 1 }, unique: true }, { key: { at: 1 } }],
  },
  { name: 'tenants' },
]

const maxPage = 1_000

export function createTenants(database: Database, ledger: Ledger, gate: DeployGate): Tenants {
  return new MongoTenants(database, ledger, gate)
}

class MongoTenants implements Tenants {
  private readonly database: Database
  private readonly ledger: Ledger
  private readonly gate: DeployGate
  private readonly journal: Collection<EntryDocument>
  private readonly heads: Collection<EntryDocument>

  constructor(database: Database, ledger: Ledger, gate: DeployGate) {
    this.database = database
    this.ledger = ledger
    this.gate = gate
    this.journal = database.collection('tenantEntries')
    this.heads = database.collection('tenants')
  }

  current(tenant: string): Promise<TenantEntry | undefined> {
    return this.head(tenant)
  }

  history(tenant: string, limit = maxPage): Promise<TenantEntry[]> {
    return this.journal
      .find({ tenant }, { projection: { _id: 0 } })
      .sort({ seq: 1 })
      .limit(Math.min(limit, maxPage))
      .toArray()
  }

  async entry(tenant: string, seq: number): Promise<TenantEntry | undefined> {
    return (await this.journal.findOne({ tenant, seq }, { projection: { _id: 0 } })) ?? undefined
  }

  list(page: { after?: string; limit?: number } = {}): Promise<TenantEntry[]> {
    const filter = page.after === undefined ? {} : { _id: { $gt: page.after } }
    const found = this.heads.find(filter, { projection: { _id: 0 } }).sort({ _id: 1 })
    return found.limit(Math.min(page.limit ?? maxPage, maxPage)).toArray()
  }

  put(tenant: string, settings: TenantSettings, author: TenantAuthor): Promise<TenantEntry> {
    return this.append(tenant, author, async (state) => ({ ...state, ...settings }))
  }

  setRuns(tenant: string, task: string, runs: boolean, author: TenantAuthor): Promise<TenantEntry> {
    return this.append(tenant, author, async (state) => withTask(state, task, { ...state.tasks[task], runs }))
  }

  optOut(tenant: string, task: string, author: TenantAuthor): Promise<TenantEntry> {
    return this.append(tenant, author, async (state, session) => {
      const lanes = await this.lanesOf(task, session)
      const pins = lanes.flatMap((lane) =>
        lane.incumbent ? [[lane.environment, pin(lane.incumbent, lane.headSeq)] as const] : [],
      )
      if (pins.length === 0) throw new SluiceError('not_found', `Nothing settled in any lane of ${task} to stay on.`)
      return withTask(state, task, { ...state.tasks[task], optOut: Object.fromEntries(pins) })
    })
  }

  override(request: OverrideRequest, author: TenantAuthor): Promise<TenantEntry> {
    const { tenant, task, base, composite, policy } = request
    return this.append(tenant, author, async (state, session) => {
      try {
        await this.gate.assertDeployable({ task, candidate: composite, incumbent: base, policy }, session)
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === 'undeployable')) throw error
        throw new SluiceError(
          'tenant_pending',
          `The override of ${tenant} is not deployable yet: ${error.message}`,
          error.details,
        )
      }
      await this.gate.holdContents(composite, session)
      const lanes = await this.lanesOf(task, session)
      if (!lanes.some(({ incumbent }) => incumbent === base)) throw baseMoved(task, base)
      const vetoed = lanes.find((lane) => isVetoed(lane, composite))
      if (vetoed !== undefined) throw vetoedAsOverride(vetoed, composite)
      const pins = Object.fromEntries(lanes.map((lane) => [lane.environment, pin(composite, lane.headSeq)]))
      return withTask(state, task, { ...state.tasks[task], override: { base, pins } })
    })
  }

  reset(tenant: string, task: string, author: TenantAuthor): Promise<TenantEntry> {
    return this.append(tenant, author, async (state) => {
      const { override, optOut, ...kept } = state.tasks[task] ?? {}
      if (override === undefined && optOut === undefined) {
        const text = `${tenant} has neither an override nor an opt-out of ${task}; \`sluice overrides ls\` lists them.`
        throw new SluiceError('not_found', text)
      }
      return withTask(state, task, kept)
    })
  }

  async verify(tenant: string): Promise<{ entries: number }> {
    let last: TenantEntry | undefined
    for await (const entry of this.journal.find({ tenant }, { projection: { _id: 0 } }).sort({ seq: 1 })) {
      const { prev, hash, ...hashed } = entry
      const follows = entry.seq === (last?.seq ?? 0) + 1 && prev === (last?.hash ?? '')
      if (!follows || hash !== chainHash(prev, hashed)) {
        throw brokenChain(tenant, `its entry ${entry.seq} does not follow from the one before`)
      }
      last = entry
    }
    const head = await this.head(tenant)
    if (chainHash('', head ?? {}) !== chainHash('', last ?? {})) {
      throw brokenChain(tenant, 'its head is not its newest entry')
    }
    return { entries: last?.seq ?? 0 }
  }

  private lanesOf(task: string, session: ClientSession) {
    return this.ledger.lanesOf(task, session)
  }

  private async head(tenant: string, session?: ClientSession): Promise<TenantEntry | undefined> {
    const options = { ...(session ? { session } : {}), projection: { _id: 0 } }
    return (await this.heads.findOne({ _id: tenant }, options)) ?? undefined
  }

  private async append(
    tenant: string,
    { key, ...author }: TenantAuthor,
    change: (state: TenantState, session: ClientSession) => Promise<TenantState>,
  ): Promise<TenantEntry> {
    assertId('tenant', tenant)
    if (author.reason.trim() === '') throw new SluiceError('reason_missing', 'Say why the tenant is changed.')
    return once(this.database, key, async (session) => {
      const before = await this.head(tenant, session)
      const state = wellFormed(await change(before?.state ?? unknownTenant, session))
      if (before !== undefined && chainHash('', before.state) === chainHash('', state)) return before
      const now = await this.database.now(session)
      const seq = (before?.seq ?? 0) + 1
      const prev = before?.hash ?? ''
      const hashed = { tenant, seq, at: Math.max(now + tenantLeadMs, (before?.at ?? 0) + 1), ...author, state }
      const entry: TenantEntry = chained(prev, hashed)
      await this.journal.insertOne({ _id: `${tenant}/${seq}`, ...entry }, { session })
      await this.heads.replaceOne({ _id: tenant }, entry, { session, upsert: true })
      return entry
    })
  }
}

const vetoedAsOverride = (lane: LaneState, composite: Digest): SluiceError =>
  new SluiceError('vetoed', `${composite} is vetoed in ${laneName(lane)}; no tenant gets it by an override either.`)

const baseMoved = (task: string, base: Digest): SluiceError =>
  new SluiceError(
    'lane_moved',
    `${base} is the incumbent of no lane of ${task}; make the override from what serves now.`,
    {
      base,
    },
  )

const brokenChain = (tenant: string, what: string): SluiceError =>
  new SluiceError('chain_broken', `The ledger of the tenant ${tenant} does not verify: ${what}.`)

const pin = (composite: Digest, head: number): LanePin => ({ composite, head })

const withTask = (state: TenantState, task: string, settings: TenantTask): TenantState => ({
  ...state,
  tasks: { ...state.tasks, [task]: settings },
})
