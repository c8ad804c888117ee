import type { Collection } from 'mongodb'
import {
  type Composite,
  type CompositeRecord,
  type CompositeVerification,
  compositeIdentity,
  type Pin,
  type ServedComposite,
} from '../domain/composite'
import { type ClassedChange, type CompositeDiff, classOf, type RoleDiff } from '../domain/diff'
import { parseRef } from '../domain/ref'
import { maxRoles, roleRef } from '../domain/task'
import type { Digest, KindName } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { digestOf } from './canonical'
import { type Closures, closureOf, readClosures } from './closures'
import type { CompositeDocument } from './composite-documents'
import { type VerifyOptions, verifyComposite } from './composite-verify'
import type { Database } from './database'
import { inReferenceOrder, type Linked } from './reference-order'
import type { VersionDocument } from './version-documents'
import { compareDocuments } from './version-drafts'
import { markUsed } from './version-uses'
import { databaseView, type VersionView } from './version-view'

/** Composites asked for at once, as a snapshot does. */
const maxComposites = 10_000
const maxParents = 100
const duplicateKey = 11_000
const rolePattern = /^[a-z][a-z0-9_-]{0,30}(\.[a-z0-9][a-z0-9_-]{0,30})?$/

export interface CompositeStore {
  commitComposite(roles: Readonly<Record<string, string>>, parents?: readonly Digest[]): Promise<CompositeRecord>
  compositeRecord(id: Digest): Promise<CompositeRecord>
  composite(id: Digest): Promise<ServedComposite>
  compositesByIds(ids: readonly Digest[]): Promise<readonly ServedComposite[]>
  diffComposites(from: Digest, to: Digest): Promise<CompositeDiff>
  verifyComposite(id: Digest, options?: VerifyOptions): Promise<CompositeVerification>
}

export function createCompositeStore(database: Database): CompositeStore {
  const composites = database.collection<CompositeDocument>('composites')
  const view = databaseView(database)

  const compositesByIds = async (ids: readonly Digest[]): Promise<readonly ServedComposite[]> => {
    assert(ids.length <= maxComposites, `at most ${maxComposites} composites are asked for at once`)
    const documents = await composites.find({ _id: { $in: [...new Set(ids)] } }).toArray()
    const known = new Map(documents.map((document) => [document._id, compositeOf(document)]))
    const found = ids.map((id) => known.get(id) ?? raiseMissing(id))
    const closures = await readClosures(database, [...known.values()].flatMap(pinnedDigests))
    return found.map((composite) => served(composite, closures))
  }
  const composite = async (id: Digest): Promise<ServedComposite> => {
    const [found] = await compositesByIds([id])
    return found ?? raiseMissing(id)
  }

  return {
    async commitComposite(roles, parents = []) {
      const pins = await resolveRoles(roles, view)
      const id = digestOf(compositeIdentity(pins))
      const elders = await eldersOf(composites, id, parents)
      await markUsed(database, { digests: Object.values(pins).map(({ digest }) => digest) })
      await composites.updateOne({ _id: id }, { $max: { usedAt: new Date(await database.now()) } })
      const known = await composites.findOne({ _id: id })
      if (known === null) {
        const list = Object.entries(pins).map(([role, pin]) => ({ role, ...pin }))
        const closure = await inReferenceOrder(
          list.map(({ digest }) => digest),
          (digests) => linkedVersions(database, digests),
        )
        const times = elders.map((elder) => elder.createdAt.getTime())
        const createdAt = new Date(Math.max(await database.now(), ...times))
        const digests = closure.map(({ digest }) => digest)
        const document = { _id: id, pins: list, closure: digests, parents: elders.map(({ _id }) => _id), createdAt }
        if (await insertOnce(composites, document)) return { ...recordOf(document), roles: pins }
      }
      return { ...(await adopt(composites, id, elders)), roles: pins }
    },
    async compositeRecord(id) {
      return recordOf((await composites.findOne({ _id: id })) ?? raiseMissing(id))
    },
    composite,
    compositesByIds,
    async verifyComposite(id, { rows = true, ...rest } = {}) {
      return verifyComposite({ database, rows, ...rest }, (await composites.findOne({ _id: id })) ?? raiseMissing(id))
    },
    async diffComposites(from, to) {
      const [before, after] = [await composite(from), await composite(to)]
      const names = [...new Set([...Object.keys(before.roles), ...Object.keys(after.roles)])].sort()
      const roles: RoleDiff[] = []
      for (const role of names) {
        const diff = await diffRole(role, [before.roles[role], after.roles[role]], view)
        if (diff !== undefined) roles.push(diff)
      }
      return { from, to, changeClass: classOf(roles.flatMap((role) => role.changes)), roles }
    },
  }
}

/** Role → pin, sorted by role. Throws malformed_ref, unknown_ref, invalid_request. */
export async function resolveRoles(
  roles: Readonly<Record<string, string>>,
  view: VersionView,
): Promise<Readonly<Record<string, Pin>>> {
  const entries = Object.entries(roles).sort(([a], [b]) => (a < b ? -1 : 1))
  if (entries.length === 0 || entries.length > maxRoles) {
    throw new SluiceError('invalid_request', `A composite has at least one role and at most ${maxRoles}.`)
  }
  const pins: [string, Pin][] = []
  for (const [role, ref] of entries) {
    assertRoleName(role)
    const { _id, kind, digest } = await view.find(parseRef(roleRef(role, ref)))
    assertRole(role, kind)
    pins.push([role, { kind, ref: _id, digest }])
  }
  return Object.fromEntries(pins)
}

function assertRoleName(role: string): void {
  if (rolePattern.test(role)) return
  throw new SluiceError('invalid_request', `${role} is no role: write prompt, or prompt.judge for a second one.`)
}

/** Throws invalid_request for what is no role, and for a kind that cannot be one. */
export function assertRole(role: string, kind: KindName): void {
  assertRoleName(role)
  if (kindOf(kind).changeType !== 'test') return
  throw new SluiceError('invalid_request', `${role} cannot be a ${kind}: that changes no behaviour.`)
}

/** Those that a composite may be derived from. Throws not_found for one that is not committed here. */
async function eldersOf(composites: Composites, id: Digest, parents: readonly Digest[]) {
  const wanted = [...new Set(parents)].filter((parent) => parent !== id)
  if (wanted.length > maxParents) {
    throw new SluiceError('invalid_request', `A composite has at most ${maxParents} parents.`)
  }
  if (wanted.length === 0) return []
  const found = await composites.find({ _id: { $in: wanted } }, { projection: { createdAt: 1 } }).toArray()
  return wanted.map((parent) => found.find(({ _id }) => _id === parent) ?? raiseMissing(parent))
}

type Composites = Collection<CompositeDocument>
type Elder = Pick<CompositeDocument, '_id' | 'createdAt'>

/** False where it stands already. */
export async function insertOnce(composites: Composites, document: CompositeDocument): Promise<boolean> {
  try {
    await composites.insertOne(document)
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === duplicateKey) return false
    throw error
  }
}

/** A composite that stands takes more parents, but only older ones: going back to an earlier one is no derivation. */
async function adopt(composites: Composites, id: Digest, elders: readonly Elder[]): Promise<CompositeRecord> {
  const standing = (await composites.findOne({ _id: id })) ?? raiseMissing(id)
  const fresh = elders.filter(({ _id, createdAt }) => createdAt < standing.createdAt && !standing.parents.includes(_id))
  if (fresh.length === 0) return recordOf(standing)
  const room = { _id: id, [`parents.${maxParents - fresh.length}`]: { $exists: false } }
  await composites.updateOne(room, { $addToSet: { parents: { $each: fresh.map(({ _id }) => _id) } } })
  return recordOf((await composites.findOne({ _id: id })) ?? raiseMissing(id))
}

/** Versions by digest without their contents, the first label of each content first. */
export async function linkedVersions(database: Database, digests: readonly Digest[]): Promise<readonly Linked[]> {
  const found = database
    .collection<VersionDocument>('versions')
    .find({ digest: { $in: [...digests] } }, { projection: { kind: 1, digest: 1, references: 1 } })
  return found.sort({ createdAt: 1, _id: 1 }).toArray()
}

/** Throws digest_mismatch where the stored pins do not make the id. */
function compositeOf({ _id, pins }: CompositeDocument): Composite {
  const roles = Object.fromEntries(pins.map(({ role, kind, ref, digest }) => [role, { kind, ref, digest }]))
  if (digestOf(compositeIdentity(roles)) === _id) return { id: _id, roles }
  throw new SluiceError('digest_mismatch', `The stored roles of ${_id} are not what its id says.`, { id: _id })
}

const recordOf = (document: CompositeDocument): CompositeRecord => ({
  ...compositeOf(document),
  parents: document.parents,
  createdAt: document.createdAt,
  ...(document.origin === undefined ? {} : { origin: document.origin }),
})

const pinnedDigests = ({ roles }: Composite): readonly Digest[] => Object.values(roles).map((pin) => pin.digest)

function served(composite: Composite, closures: Closures): ServedComposite {
  const byRole = Object.entries(composite.roles).map(([role, { digest, ref }]): [string, unknown] => {
    const read = closures.get(digest)
    if (read !== undefined) return [role, read.content]
    throw new SluiceError('digest_mismatch', `${composite.id} pins ${ref} as ${digest}, which nothing has any more.`)
  })
  const closure = closureOf(closures, pinnedDigests(composite))
  return {
    ...composite,
    contents: Object.fromEntries(byRole),
    ...(Object.keys(closure).length === 0 ? {} : { closure }),
  }
}

async function diffRole(
  role: string,
  [before, after]: readonly [Pin | undefined, Pin | undefined],
  view: VersionView,
): Promise<RoleDiff | undefined> {
  if (before?.digest === after?.digest) return undefined
  const ends = { ...(before ? { from: before.ref } : {}), ...(after ? { to: after.ref } : {}) }
  if (before !== undefined && after !== undefined && before.kind === after.kind) {
    const [old, now] = [
      await view.findDigest(before.kind, before.digest),
      await view.findDigest(after.kind, after.digest),
    ]
    return { role, kind: after.kind, ...ends, ...(await compareDocuments(old, now, view)) }
  }
  const change: ClassedChange = {
    path: '',
    change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    text: `role ${role}: ${before?.ref ?? 'none'} → ${after?.ref ?? 'none'}`,
    class: 'breaking',
  }
  const kind = after?.kind ?? before?.kind
  assert(kind !== undefined, 'a role that differs is pinned on one side')
  return { role, kind, ...ends, changeClass: 'breaking', changes: [change] }
}

function raiseMissing(id: Digest): never {
  throw new SluiceError('not_found', `No composite ${id} is committed here.`, { id })
}
