import type { Relation } from '../domain/lineage'
import type { Digest } from '../domain/version'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import {
  type LineagePage,
  labelMeant,
  loadPage,
  type Stored,
  type StoredVersion,
  withoutClosure,
  withoutContent,
} from './lineage-page'
import type { VersionDocument } from './version-documents'

/** One step of a walk: from a node that was reached to one beside it. */
export interface Link {
  /** Id of the node that was reached. */
  readonly near: string
  readonly far: Stored
  readonly relation: Relation
  readonly text?: string
}

export interface LinkOptions {
  readonly versions: boolean
  /** Of each sort of descendants at most so many are read for one level. */
  readonly limit: number
}

export interface Links {
  readonly links: readonly Link[]
  /** Not all of a sort could be read: any node of the level may have more. */
  readonly cut: boolean
}

type VersionLink = { readonly relation: Relation; readonly digest: Digest; readonly text?: string }

/** What these come from. */
export async function ancestorLinks(
  database: Database,
  level: readonly Stored[],
  { versions }: LinkOptions,
): Promise<Links> {
  const wanted = level.flatMap((one) => ancestorsNamed(one, versions).map(({ digest }) => digest))
  if (wanted.length === 0) return { links: [], cut: false }
  const page = await loadPage(database, wanted)
  const links = level.flatMap((one) => {
    if ('version' in one) return ancestorsNamed(one, versions).map((link) => versionLink(page, one.version, link))
    if ('composite' in one) return compositeAncestors(page, one.composite, versions)
    return []
  })
  return { links, cut: false }
}

function ancestorsNamed(stored: Stored, versions: boolean): readonly VersionLink[] {
  if ('version' in stored) return namedBy(stored.version)
  if (!('composite' in stored)) return []
  const { parents, pins } = stored.composite
  return [
    ...parents.map((digest) => ({ relation: 'parent' as const, digest })),
    ...(versions ? pins.map(({ digest, role }) => ({ relation: 'role' as const, digest, text: role })) : []),
  ]
}

/** Every digest that a version names as what it comes from. */
const namedBy = ({ parents, inputs = [], references }: StoredVersion): readonly VersionLink[] => [
  ...parents.map((digest) => ({ relation: 'parent' as const, digest })),
  ...inputs.map((digest) => ({ relation: 'input' as const, digest })),
  ...references.map(({ digest, path }) => ({ relation: 'reference' as const, digest, text: path })),
]

function versionLink(page: LineagePage, version: StoredVersion, { digest, ...link }: VersionLink): Link {
  const found = labelMeant(page, version, digest)
  const composite = page.composites.get(digest)
  const far: Stored =
    found !== undefined
      ? { id: found._id, version: found }
      : composite !== undefined
        ? { id: digest, composite }
        : { id: digest, unknown: digest }
  return { near: version._id, far, ...link }
}

function compositeAncestors(page: LineagePage, composite: CompositeDocument, versions: boolean): readonly Link[] {
  const parents = composite.parents.map((digest): Link => {
    const parent = page.composites.get(digest)
    if (parent === undefined) return { near: composite._id, far: { id: digest, unknown: digest }, relation: 'parent' }
    const text = changedRoles(parent, composite)
    return { near: composite._id, far: { id: digest, composite: parent }, relation: 'parent', text }
  })
  return [...parents, ...(versions ? composite.pins.map((pin) => pinLink(page, composite, pin)) : [])]
}

function pinLink(page: LineagePage, composite: CompositeDocument, pin: CompositeDocument['pins'][number]): Link {
  const labels = page.versions.get(pin.digest) ?? []
  const found = labels.find(({ _id }) => _id === pin.ref) ?? labels[0]
  const far: Stored = found ? { id: found._id, version: found } : { id: pin.digest, unknown: pin.digest }
  return { near: composite._id, far, relation: 'role', text: pin.role }
}

const none: Links = { links: [], cut: false }

/** What comes from these. */
export async function descendantLinks(
  database: Database,
  level: readonly Stored[],
  options: LinkOptions,
): Promise<Links> {
  const versions = level.flatMap((one) => ('version' in one ? [one.version] : []))
  const composites = level.flatMap((one) => ('composite' in one ? [one.composite] : []))
  const found = [
    versions.length === 0 ? none : await versionChildren(database, versions, options),
    versions.length === 0 || !options.versions ? none : await pinningComposites(database, versions, options),
    composites.length === 0 ? none : await compositeChildren(database, composites, options),
  ]
  return { links: found.flatMap(({ links }) => links), cut: found.some(({ cut }) => cut) }
}

async function versionChildren(
  database: Database,
  level: readonly StoredVersion[],
  { limit }: LinkOptions,
): Promise<Links> {
  const digests = [...new Set(level.map(({ digest }) => digest))]
  const named = { $in: digests }
  const children = await database
    .collection<VersionDocument>('versions')
    .find(
      { $or: [{ parents: named }, { inputs: named }, { 'references.digest': named }] },
      { projection: withoutContent },
    )
    .sort({ createdAt: 1, _id: 1 })
    .limit(limit)
    .toArray()
  const page = await loadPage(database, digests)
  const here = new Set(level.map(({ _id }) => _id))
  const links = children.flatMap((child) =>
    namedBy(child).flatMap(({ digest, ...link }): Link[] => {
      const near = labelMeant(page, child, digest)?._id
      return near !== undefined && here.has(near) ? [{ near, far: { id: child._id, version: child }, ...link }] : []
    }),
  )
  return { links, cut: children.length === limit }
}

async function pinningComposites(
  database: Database,
  level: readonly StoredVersion[],
  { limit }: LinkOptions,
): Promise<Links> {
  const here = new Set(level.map(({ _id }) => _id))
  const found = await database
    .collection<CompositeDocument>('composites')
    .find({ 'pins.digest': { $in: level.map(({ digest }) => digest) } }, { projection: withoutClosure })
    .sort({ createdAt: 1, _id: 1 })
    .limit(limit)
    .toArray()
  const links = found.flatMap((composite) =>
    composite.pins
      .filter(({ ref }) => here.has(ref))
      .map(
        ({ ref, role }): Link => ({ near: ref, far: { id: composite._id, composite }, relation: 'role', text: role }),
      ),
  )
  return { links, cut: found.length === limit }
}

async function compositeChildren(
  database: Database,
  level: readonly CompositeDocument[],
  { limit }: LinkOptions,
): Promise<Links> {
  const here = new Map(level.map((composite) => [composite._id, composite]))
  const found = await database
    .collection<CompositeDocument>('composites')
    .find({ parents: { $in: [...here.keys()] } }, { projection: withoutClosure })
    .sort({ createdAt: 1, _id: 1 })
    .limit(limit)
    .toArray()
  const links = found.flatMap((composite) =>
    composite.parents.flatMap((digest): Link[] => {
      const parent = here.get(digest)
      if (parent === undefined) return []
      const text = changedRoles(parent, composite)
      return [{ near: digest, far: { id: composite._id, composite }, relation: 'parent', text }]
    }),
  )
  return { links, cut: found.length === limit }
}

/** `prompt csat@1.0.0 → csat@1.1.0`: the roles in which two composites differ. */
function changedRoles(before: CompositeDocument, after: CompositeDocument): string {
  const roles = [...new Set([...before.pins, ...after.pins].map(({ role }) => role))].sort()
  const texts = roles.flatMap((role) => {
    const [old, now] = [before, after].map(({ pins }) => pins.find((pin) => pin.role === role))
    return old?.digest === now?.digest ? [] : [`${role} ${labelText(old)} → ${labelText(now)}`]
  })
  return texts.join(', ')
}

const labelText = (pin: CompositeDocument['pins'][number] | undefined): string =>
  pin === undefined ? 'none' : pin.ref.slice(pin.ref.indexOf('/') + 1)
