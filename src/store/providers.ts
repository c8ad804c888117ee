import { createHash } from 'node:crypto'
import type { ClientSession } from 'mongodb'
import {
  type ChangeBasis,
  isAgreed,
  isChange,
  type ProviderChange,
  type ProviderPair,
  pairOf,
  pairText,
  type SuspectedChange,
  trafficRule,
} from '../domain/provider-change'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { digestOf } from './canonical'
import type { CollectionSpec, Database } from './database'
import { once } from './once'

/** A request as far as it says what the provider ran. */
export interface PairReport extends ProviderPair {
  readonly composite: Digest
  readonly tenant: string
  readonly conversation: string
}

interface Told {
  readonly principal: string
  readonly conversations: readonly string[]
}

interface PairDocument extends ProviderPair {
  readonly _id: Digest
  readonly composite: Digest
  readonly state: 'known' | 'suspected'
  readonly firstSeenAt: number
  /** Who reported it while it is suspected. */
  readonly told: readonly Told[]
}

interface HeadDocument {
  readonly _id: Digest
  readonly epoch: number
}

type ChangeDocument = Omit<ProviderChange, 'id'> & { readonly _id: Digest }

export const providerCollections: readonly CollectionSpec[] = [
  { name: 'providerPairs', indexes: [{ key: { composite: 1, state: 1 } }] },
  { name: 'providerHeads' },
  { name: 'providerChanges', indexes: [{ key: { composite: 1, epoch: 1 }, unique: true }, { key: { at: -1 } }] },
]

const maxPairs = 200
/** Of one delivery, each a transaction: what is left out and true comes again, and inventions take up no more of the store. */
const maxNewPairs = 50
/** One API key cannot fill the list with inventions, so that what others report is still seen. */
const maxSuspectedOfPrincipal = 8
const maxPrincipals = 16
const maxCached = 10_000
const maxListed = 200

/** What providers said that they ran under each composite, and the changes that void its evidence. */
export class Providers {
  private readonly database: Database
  /** Pairs that are known already: nearly every request has one of them. */
  private readonly known = new Set<string>()

  constructor(database: Database) {
    this.database = database
  }

  /**
   * Takes the pairs of served requests. A new one is suspected until API keys agree by `trafficRule`; then the change is
   * written. Idempotent: conversations are sets.
   */
  async reported(reports: readonly PairReport[], principal: string): Promise<void> {
    const groups = new Map<Digest, PairReport[]>()
    for (const report of reports) {
      const id = pairId(report)
      if (id === undefined || this.known.has(id)) continue
      const group = groups.get(id)
      if (group) group.push(report)
      else groups.set(id, [report])
    }
    if (groups.size === 0) return
    for await (const { _id } of this.pairs().find({ _id: { $in: [...groups.keys()] }, state: 'known' })) {
      groups.delete(_id)
      this.remember(_id)
    }
    for (const [id, group] of [...groups].slice(0, maxNewPairs)) {
      const isKnown = await this.database.transact((session) => this.report(id, group, principal, session))
      if (isKnown) this.remember(id)
    }
  }

  /**
   * Takes what the product itself heard from the provider: one such call is enough. Answers whether it is a change; then
   * evidence measured before is void. Within the transaction that records what was measured.
   */
  async measured(
    composite: Digest,
    pairs: readonly ProviderPair[],
    of: { readonly basis: ChangeBasis; readonly by: string; readonly reason: string; readonly judge?: true },
    session?: ClientSession,
  ): Promise<boolean> {
    if (session === undefined) return this.database.transact((inner) => this.measured(composite, pairs, of, inner))
    const before = await this.pairsOf(composite, session)
    const fresh = pairs.flatMap((pair) => {
      const id = pairId({ ...pair, composite })
      return id === undefined || before.some((one) => one._id === id) ? [] : [{ id, pair }]
    })
    const suspects = (await this.suspectsOf(composite, session)).filter(({ _id }) => fresh.some(({ id }) => id === _id))
    const changes = fresh.filter(({ pair }) => isChange(pair, before))
    for (const { id, pair } of fresh) await this.setKnown(id, { ...pair, composite }, session)
    const [first] = changes
    if (first === undefined) return false
    const firstSeenAt = suspects.find(({ _id }) => _id === first.id)?.firstSeenAt
    await this.write({ id: first.id, composite, from: before, to: first.pair, ...of, firstSeenAt }, session)
    return true
  }

  /** A person says that a suspected change is one (`confirm`), or that it is none (`dismiss`); once under a `key`. Code not_found. */
  async settle(
    id: Digest,
    confirm: boolean,
    author: { readonly by: string; readonly reason: string },
    key?: string,
  ): Promise<void> {
    await once(this.database, key, async (session) => {
      const suspect = await this.pairs().findOne({ _id: id, state: 'suspected' }, { session })
      if (suspect === null) {
        throw new SluiceError('not_found', `No change ${id} is suspected; \`sluice provider ls\` lists them.`)
      }
      const { composite, firstSeenAt } = suspect
      const before = await this.pairsOf(composite, session)
      await this.setKnown(id, suspect, session)
      if (!confirm) return
      const to = pairOf(suspect)
      await this.write({ id, composite, from: before, to, basis: 'person', ...author, firstSeenAt }, session)
    })
  }

  /** How many changes each composite has had: evidence counts that was measured at this number. */
  async epochs(composites: readonly Digest[], session?: ClientSession): Promise<ReadonlyMap<Digest, number>> {
    const found = await this.heads()
      .find({ _id: { $in: [...composites] } }, session ? { session } : {})
      .toArray()
    const known = new Map(found.map(({ _id, epoch }) => [_id, epoch]))
    return new Map(composites.map((composite) => [composite, known.get(composite) ?? 0]))
  }

  /** The newest first. */
  async changes(filter: { readonly composites?: readonly Digest[]; readonly since?: number } = {}) {
    const { composites, since } = filter
    const rows = this.changeRows()
      .find({
        ...(composites === undefined ? {} : { composite: { $in: [...composites] } }),
        ...(since === undefined ? {} : { at: { $gte: since } }),
      })
      .sort({ at: -1 })
      .limit(maxListed)
    return (await rows.toArray()).map(({ _id, ...rest }): ProviderChange => ({ id: _id, ...rest }))
  }

  async suspected(composites?: readonly Digest[]): Promise<readonly SuspectedChange[]> {
    const filter = composites === undefined ? {} : { composite: { $in: [...composites] } }
    const rows = await this.pairs()
      .find({ ...filter, state: 'suspected' })
      .limit(maxListed)
      .toArray()
    return rows.map((row) => ({
      id: row._id,
      composite: row.composite,
      to: pairOf(row),
      firstSeenAt: row.firstSeenAt,
      principals: row.told.length,
      conversations: new Set(row.told.flatMap(({ conversations }) => conversations)).size,
    }))
  }

  /** True: nothing more is to be learnt from reports of this pair. */
  private async report(
    id: Digest,
    group: readonly PairReport[],
    principal: string,
    session: ClientSession,
  ): Promise<boolean> {
    const [first] = group
    if (first === undefined) return true
    const { composite } = first
    const before = await this.pairsOf(composite, session)
    if (before.some(({ _id }) => _id === id)) return true
    const to = pairOf(first)
    if (!isChange(to, before)) {
      if (before.length < maxPairs) await this.setKnown(id, { ...to, composite }, session)
      return true
    }
    const suspects = await this.suspectsOf(composite, session)
    const standing = suspects.find(({ _id }) => _id === id)
    const isOf = ({ told }: PairDocument) => told[0]?.principal === principal
    if (standing === undefined && suspects.filter(isOf).length >= maxSuspectedOfPrincipal) return false
    const told = tellings(standing?.told ?? [], principal, group.map(conversationOf))
    if (standing !== undefined && digestOf(told) === digestOf(standing.told)) return false
    const firstSeenAt = standing?.firstSeenAt ?? (await this.database.now(session))
    const document: PairDocument = { _id: id, ...to, composite, state: 'suspected', firstSeenAt, told }
    await this.pairs().replaceOne({ _id: id }, document, { session, upsert: true })
    if (!isAgreed(told.map(({ conversations }) => conversations))) return false
    await this.setKnown(id, document, session)
    const by = told.map((one) => one.principal).join(', ')
    const reason = `reported in ${new Set(told.flatMap(({ conversations }) => conversations)).size} conversations`
    await this.write({ id, composite, from: before, to, basis: 'traffic', by, reason, firstSeenAt }, session)
    return true
  }

  private async write(
    change: Omit<ProviderChange, 'at' | 'epoch' | 'from' | 'firstSeenAt'> & {
      readonly from: readonly PairDocument[]
      readonly firstSeenAt: number | undefined
    },
    session: ClientSession,
  ): Promise<void> {
    const { id, from, firstSeenAt, ...rest } = change
    const at = await this.database.now(session)
    const head = await this.heads().findOneAndUpdate(
      { _id: rest.composite },
      { $inc: { epoch: 1 } },
      { session, upsert: true, returnDocument: 'after' },
    )
    const epoch = head?.epoch ?? 1
    const known = from.map(pairOf)
    await this.changeRows().insertOne(
      { _id: id, ...rest, from: known, at, firstSeenAt: firstSeenAt ?? at, epoch },
      { session },
    )
  }

  private async setKnown(
    id: Digest,
    pair: ProviderPair & { readonly composite: Digest; readonly firstSeenAt?: number },
    session: ClientSession,
  ): Promise<void> {
    const { composite } = pair
    const firstSeenAt = pair.firstSeenAt ?? (await this.database.now(session))
    const document: PairDocument = { _id: id, ...pairOf(pair), composite, state: 'known', firstSeenAt, told: [] }
    await this.pairs().replaceOne({ _id: id }, document, { session, upsert: true })
  }

  private pairsOf(composite: Digest, session: ClientSession): Promise<PairDocument[]> {
    return this.pairs().find({ composite, state: 'known' }, { session }).limit(maxPairs).toArray()
  }

  private suspectsOf(composite: Digest, session: ClientSession): Promise<PairDocument[]> {
    return this.pairs().find({ composite, state: 'suspected' }, { session }).limit(maxPairs).toArray()
  }

  private remember(id: Digest): void {
    if (this.known.size >= maxCached) this.known.clear()
    this.known.add(id)
  }

  private pairs() {
    return this.database.collection<PairDocument>('providerPairs')
  }
  private heads() {
    return this.database.collection<HeadDocument>('providerHeads')
  }
  private changeRows() {
    return this.database.collection<ChangeDocument>('providerChanges')
  }
}

/** The reason that evidence is void, for who is refused because of it. */
export const voidText = ({ composite, judge, from, to }: ProviderChange): string =>
  `the provider of ${judge ? 'the judge ' : ''}${composite} returns ${pairText(to)} instead of ${from.map(pairText).join(' or ') || 'nothing'}`

/** Undefined: the provider told nothing. */
function pairId({
  composite,
  model,
  fingerprint,
  candidate,
}: ProviderPair & { readonly composite: Digest }): Digest | undefined {
  if (model === undefined && fingerprint === undefined) return undefined
  const of = candidate === undefined ? {} : { candidate }
  return digestOf({ composite, model: model ?? '', fingerprint: fingerprint ?? '', ...of })
}

const conversationOf = ({ tenant, conversation }: PairReport): string =>
  createHash('sha256').update(`${tenant}\0${conversation}`).digest('hex').slice(0, 16)

/** No more is remembered than the rule asks for. */
function tellings(before: readonly Told[], principal: string, conversations: readonly string[]): readonly Told[] {
  const own = before.find((one) => one.principal === principal)
  if (own === undefined && before.length >= maxPrincipals) return before
  const all = [...new Set([...(own?.conversations ?? []), ...conversations])].slice(0, trafficRule.conversations)
  return [...before.filter((one) => one.principal !== principal), { principal, conversations: all }]
}
