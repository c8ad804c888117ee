import { z } from 'zod'
import { kindNames, type Version } from '../domain/version'
import { digestSchema } from '../kinds/kind'

/** Versions and composites as the API answers them. Times are ISO 8601. */
export const kindSchema = z.enum(kindNames)
export const changeClassSchema = z.enum(['none', 'safe', 'shifting', 'breaking'])

export const changeSchema = z.object({
  path: z.string(),
  change: z.enum(['added', 'removed', 'changed']),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  text: z.string(),
  class: z.enum(['safe', 'breaking']),
})

/** What stands where retention dropped content. `at` is milliseconds since the epoch. */
export const droppedSchema = z.object({
  what: z.enum(['content', 'rows']),
  at: z.number(),
  by: z.string(),
  why: z.string(),
  run: z.string(),
  bytes: z.number(),
})

const summaryShape = {
  kind: kindSchema,
  name: z.string(),
  semver: z.string(),
  ref: z.string(),
  digest: digestSchema,
  interface: digestSchema,
  author: z.string(),
  createdAt: z.string(),
  description: z.string(),
  parents: z.array(digestSchema),
  provenance: z.record(z.string(), z.unknown()).optional(),
  dropped: droppedSchema.optional(),
}
export const versionSummarySchema = z.object(summaryShape)
export const versionSchema = z.object({ ...summaryShape, content: z.unknown(), summary: z.string() })

/** `next` is the `after` of the page that follows; absent on the last one. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().optional() })

const maxLimit = 200
const defaultLimit = 50
export const pageQuery = {
  after: z.string().max(300).optional(),
  limit: z.coerce.number().int().min(1).max(maxLimit).default(defaultLimit),
}

/** A page of at most `limit` items, from a list read one longer. */
export function page<T>(items: readonly T[], limit: number, cursor: (item: T) => string) {
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  return { items: [...shown], ...(items.length > limit && last !== undefined ? { next: cursor(last) } : {}) }
}

export const pinSchema = z.object({ kind: kindSchema, ref: z.string(), digest: digestSchema })
export const compositeSchema = z.object({ id: digestSchema, roles: z.record(z.string(), pinSchema) })

export const summaryView = (version: Omit<Version, 'content'>) => ({
  kind: version.kind,
  name: version.name,
  semver: version.semver,
  ref: `${version.kind}/${version.name}@${version.semver}`,
  digest: version.digest,
  interface: version.interface,
  author: version.author,
  createdAt: version.createdAt.toISOString(),
  description: version.description,
  parents: [...version.parents],
  ...(version.provenance === undefined ? {} : { provenance: { ...version.provenance } }),
  ...(version.dropped === undefined ? {} : { dropped: version.dropped }),
})
