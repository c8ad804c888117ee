import {
  type Composite,
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
import type { CollectionSpec, Database } from './database'
import { identityOf, type VersionDocument } from './version-documents'
import { compareDocuments } from './version-drafts'
import { databaseView, type VersionView } from './version-view'

interface CompositeDocument {
  _id: Digest
  /** Sorted by role. A list, since roles may hold dots. */
  pins: { role: string; kind: KindName; ref: string; digest: Digest }[]
  createdAt: Date
}

export const compositeCollections: readonly CollectionSpec[] = [
  { name: 'composites', indexes: [{ key: { 'pins.digest': 1 } }] },
]

/** Composites asked for at once, as a snapshot does. */
const maxComposites = 10_000
const rolePattern = /^[a-z][a-z0-9_-]{0,30}(\.[a-z0-9][a-z0-9_-]{0,30})?$/

export interface CompositeStore {
  commitComposite(roles: Readonly<Record<string, string>>): Promise<Composite>
  composite(id: Digest): Promise<ServedComposite>
  compositesByIds(ids: readonly Digest[]): Promise<readonly ServedComposite[]>
  diffComposites(from: Digest, to: Digest): Promise<CompositeDiff>
  verifyComposite(id: Digest): Promise<CompositeVerification>
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
    async commitComposite(roles) {
      const pins = await resolveRoles(roles, view)
      const id = digestOf(compositeIdentity(pins))
      const list = Object.entries(pins).map(([role, pin]) => ({ role, ...pin }))
      const createdAt = new Date(await database.now())
      // Two callers may upsert at once: the loser of the race finds the same document, which is all it wants.
      await composites
        .updateOne({ _id: id }, { $setOnInsert: { pins: list, createdAt } }, { upsert: true })
        .catch((error: { code?: unknown }) => {
          if (error.code !== 11_000) throw error
        })
      return { id, roles: pins }
    },
    composite,
    compositesByIds,
    async verifyComposite(id) {
      const document = await composites.findOne({ _id: id })
      return verify(compositeOf(document ?? raiseMissing(id)), database)
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
    if (!rolePattern.test(role)) {
      throw new SluiceError('invalid_request', `${role} is no role: write prompt, or prompt.judge for a second one.`)
    }
    const { _id, kind, digest } = await view.find(parseRef(roleRef(role, ref)))
    if (kindOf(kind).changeType === 'test') {
      throw new SluiceError('invalid_request', `${role} cannot be a ${kind}: that changes no behaviour.`)
    }
    pins.push([role, { kind, ref: _id, digest }])
  }
  return Object.fromEntries(pins)
}

const compositeOf = ({ _id, pins }: CompositeDocument): Composite => ({
  id: _id,
  roles: Object.fromEntries(pins.map(({ role, kind, ref, digest }) => [role, { kind, ref, digest }])),
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

async function verify({ id, roles }: Composite, database: Database): Promise<CompositeVerification> {
  const versions = database.collection<VersionDocument>('versions')
  const verified: [role: string, pin: Pin, computed: Digest][] = []
  for (const [role, pin] of Object.entries(roles)) {
    const document = await versions.findOne({ kind: pin.kind, digest: pin.digest })
    const content: unknown = document ? JSON.parse(document.content) : undefined
    verified.push([role, pin, identityOf(pin.kind, content)])
  }
  const pins = Object.fromEntries(verified.map(([role, , digest]) => [role, { digest }]))
  const computed = digestOf(compositeIdentity(pins))
  return {
    id,
    computed,
    valid: computed === id,
    roles: verified.map(([role, pin, digest]) => ({ role, ...pin, valid: digest === pin.digest })),
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
