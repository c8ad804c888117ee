import { z } from 'zod'
import type { CompositeRecord } from '../domain/composite'
import type { Registered } from '../domain/registration'
import { maxActiveShown, type Standing } from '../domain/standing'
import { kindNames, type Origin, type Version } from '../domain/version'
import { kindOf } from '../kinds'
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
  rule: z.string().optional(),
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
const share = z.object({ mean: z.number(), lower: z.number(), upper: z.number() })

/** Where it serves and how it was tested, as ledger and evidence say; nobody sets it. */
const standingShape = {
  active: z
    .array(
      z.object({
        environment: z.string(),
        task: z.string(),
        as: z.enum(['incumbent', 'candidate']),
        composite: digestSchema,
      }),
    )
    .max(maxActiveShown),
  activeLanes: z.number().int(),
  tested: z.boolean(),
  scores: z.array(
    z.object({
      suite: digestSchema,
      suiteRef: z.string().optional(),
      tested: z.boolean(),
      verdict: z.enum(['pass', 'fail', 'no_evidence']),
      accuracy: share.optional(),
      composite: digestSchema,
      evaluationId: z.string(),
      at: z.number(),
    }),
  ),
}
export const standingSchema = z.object(standingShape)

const originSchema = z.object({ author: z.string().optional(), createdAt: z.string(), file: digestSchema })

const scoredSchema = z.object({
  ref: z.string(),
  digest: digestSchema,
  composite: digestSchema,
  evaluationId: z.string(),
  verdict: z.enum(['pass', 'fail', 'no_evidence']),
  accuracy: z.number().optional(),
})
const promotionSchema = z.object({ suite: digestSchema, winner: scoredSchema, losers: z.array(scoredSchema) })

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
  promotion: promotionSchema.optional(),
  origin: originSchema.optional(),
}
export const versionSummarySchema = z.object(summaryShape)
export const versionSchema = z.object({ ...summaryShape, content: z.unknown(), summary: z.string() })
export const standingVersionSummarySchema = z.object({ ...summaryShape, ...standingShape })
export const standingVersionSchema = z.object({ ...versionSchema.shape, ...standingShape })

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
export const compositeRecordSchema = z.object({
  ...compositeSchema.shape,
  parents: z.array(digestSchema),
  createdAt: z.string(),
  origin: originSchema.optional(),
})
export const standingCompositeSchema = z.object({ ...compositeRecordSchema.shape, ...standingShape })

export const recordView = ({ createdAt, parents, origin, ...composite }: CompositeRecord) => ({
  ...composite,
  parents: [...parents],
  createdAt: createdAt.toISOString(),
  ...originView(origin),
})

export const standingView = (standing: Standing) => ({
  ...standing,
  active: [...standing.active],
  scores: [...standing.scores],
})

const originView = (origin: Origin | undefined) =>
  origin === undefined ? {} : { origin: { ...origin, createdAt: origin.createdAt.toISOString() } }

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
  ...(version.promotion === undefined
    ? {}
    : { promotion: { ...version.promotion, losers: [...version.promotion.losers] } }),
  ...originView(version.origin),
})

export const versionView = (version: Version) => ({
  ...summaryView(version),
  content: version.content,
  summary: kindOf(version.kind).summarize(version.content),
})

export const registeredSchema = z.object({
  version: versionSchema,
  created: z.boolean(),
  changeClass: changeClassSchema,
  base: z.string().optional(),
  changes: z.array(changeSchema),
})

export const registeredView = ({ version, changes, ...rest }: Registered) => ({
  version: versionView(version),
  changes: [...changes],
  ...rest,
})
