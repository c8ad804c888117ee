import type { Composite } from '../domain/composite'
import { type ClosureMember, isDataset } from '../domain/leakage'
import type { Digest, KindName } from '../domain/version'
import { SluiceError } from '../errors'
import type { Database } from './database'
import type { VersionDocument } from './version-documents'

/** Versions behind one composite. */
const maxClosure = 10_000

type Found = Pick<VersionDocument, '_id' | 'kind' | 'digest' | 'references'>

/**
 * What a composite was made from: the versions that it pins and, reference by reference, all behind them, each once, by a
 * shortest way. A dataset ends its way: its rows are what counts, and what they were made from may well have held more.
 */
export async function sourcesOf(database: Database, { id, roles }: Composite): Promise<readonly ClosureMember[]> {
  const members = new Map<string, ClosureMember>()
  let edge: readonly ClosureMember[] = Object.entries(roles).map(([role, { kind, digest, ref }]) => ({
    kind,
    digest,
    role,
    path: [ref],
  }))
  while (edge.length > 0) {
    const fresh: ClosureMember[] = []
    for (const member of edge) {
      if (members.has(keyOf(member))) continue
      members.set(keyOf(member), member)
      fresh.push(member)
    }
    if (members.size > maxClosure) {
      throw new SluiceError('invalid_content', `The composite ${id} was made from more than ${maxClosure} versions.`, {
        id,
      })
    }
    edge = await behind(
      database,
      fresh.filter((member) => !isDataset(member)),
    )
  }
  return [...members.values()]
}

const keyOf = ({ kind, digest }: { readonly kind: KindName; readonly digest: Digest }): string => `${kind} ${digest}`

async function behind(database: Database, members: readonly ClosureMember[]): Promise<readonly ClosureMember[]> {
  const held = await firstVersions(
    database,
    members.map(({ digest }) => digest),
  )
  const ways = members.flatMap(({ kind, digest, path, role }) =>
    (held.get(keyOf({ kind, digest }))?.references ?? []).map((reference) => ({ ...reference, above: path, role })),
  )
  const targets = await firstVersions(
    database,
    ways.map(({ digest }) => digest),
  )
  return ways.map(({ kind, digest, above, role }) => {
    const label = targets.get(keyOf({ kind, digest }))?._id
    if (label !== undefined) return { kind, digest, role, path: [...above, label] }
    throw new SluiceError('digest_mismatch', `${above.at(-1)} refers to ${kind} ${digest}, which nothing has any more.`)
  })
}

/** The first label of each content. */
async function firstVersions(database: Database, digests: readonly Digest[]): Promise<ReadonlyMap<string, Found>> {
  const known = new Map<string, Found>()
  if (digests.length === 0) return known
  const projection = { kind: 1, digest: 1, references: 1, createdAt: 1 } as const
  const cursor = database
    .collection<VersionDocument>('versions')
    .find({ digest: { $in: [...new Set(digests)] } }, { projection })
    .sort({ createdAt: 1, _id: 1 })
  for await (const found of cursor) if (!known.has(keyOf(found))) known.set(keyOf(found), found)
  return known
}
