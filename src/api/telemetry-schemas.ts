import { z } from 'zod'
import { maxBranchLength } from '../domain/branch'
import { isId } from '../domain/bucket'
import { eventNames, outcomes } from '../domain/telemetry'
import { largestOutput, maxOutputClasses, maxOutputFields } from '../domain/telemetry-outputs'

/** Bounds of what one report can truthfully say. JSON has no NaN or infinity: they arrive as null and are refused. */
const count = z.number().int().min(0).max(1e9)
const usd = z.number().min(0).max(1e5)
const milliseconds = z.number().min(0).max(1e10)
const moment = z.number().min(0).max(1e14)
/** What `resolve` refuses was served by nobody; a NUL would also make two conversations one where ids are joined by it. */
const id = z.string().min(1).max(256).refine(isId, 'contains NUL or a lone surrogate')
const digest = z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)])
const seq = z.number().int().min(1).max(1e9)
const arm = z.enum(['candidate', 'incumbent', 'none'])

export const limits = { strata: 1_000, units: 5_000, requests: 5_000, lateOutcomes: 5_000, late: 100, heads: 10_000 }

const stratumFields = { task: id, seq, slice: z.number().int().min(-1).max(100), arm, composite: digest }

const counters = { inputTokens: count, cachedTokens: count, outputTokens: count }

const outputValue = z.union([
  z.strictObject({ class: z.number().int().min(0).max(maxOutputClasses) }),
  z.strictObject({ number: z.number().min(-largestOutput).max(largestOutput) }),
])

export const unitSchema = z
  .strictObject({
    unit: z.string().regex(/^[0-9a-f]{16}$/),
    tenant: id,
    part: z.number().int().min(0).max(1e12),
    revision: z.number().int().min(1).max(1e12),
    requests: count,
    errors: count,
    schemaFailures: count,
    costUsd: usd,
    uncachedCostUsd: usd,
    latencyMs: milliseconds,
    ...counters,
    events: z.array(z.enum(eventNames)).max(eventNames.length),
    closed: z.boolean(),
    gap: z.boolean(),
    outputs: z.array(outputValue.nullable()).max(maxOutputFields).exactOptional(),
  })
  .refine((unit) => unit.errors + unit.schemaFailures <= unit.requests, 'more failed requests than requests')
  .refine((unit) => unit.errors > 0 === unit.events.includes('error'), 'errors and the event `error` disagree')
  .refine(
    (unit) => unit.schemaFailures > 0 === unit.events.includes('schema_failure'),
    'schemaFailures and the event `schema_failure` disagree',
  )
  .refine((unit) => unit.requests > 0 || unit.costUsd + unit.latencyMs === 0, 'cost or latency without a request')

export const requestSchema = z.strictObject({
  ...stratumFields,
  requestId: id,
  tenant: id,
  conversation: id,
  reason: z.string().max(40),
  binding: z.string().max(64),
  at: moment,
  outcome: z.enum(outcomes),
  latencyMs: milliseconds,
  ...counters,
  costUsd: usd,
  uncachedCostUsd: usd,
  cacheAgeMs: milliseconds,
  headSeq: z.number().int().min(0).max(1e9),
  tenantSeq: z.number().int().min(0).max(1e9),
  stale: z.boolean(),
  model: z.string().max(200).optional(),
  fingerprint: z.string().max(200).optional(),
  branch: z.string().max(maxBranchLength).optional(),
})

export const lateOutcomeSchema = z.strictObject({
  id,
  task: id,
  tenant: id,
  conversation: id,
  metric: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/),
  value: z.number().min(-1e9).max(1e9),
  at: moment,
})

const lateEntrySchema = z.strictObject({ task: id, seq, lateMs: milliseconds })

/** The envelope must be right as a whole; its records are judged one by one, so that a bad one spoils no other. */
export const batchSchema = z.strictObject({
  reporter: z.string().regex(/^[0-9A-Za-z_-]{8,64}$/),
  environment: z.string().max(63),
  // Counted before each is looked at: a body of wrong names would take seconds in which nobody else is served.
  appliedHeads: z
    .record(z.string(), z.unknown())
    .refine((heads) => Object.keys(heads).length <= limits.heads, 'too many lanes')
    .pipe(z.record(z.string().regex(/^[^$\0][^\0]{0,255}$/), z.number().int().min(0).max(1e9))),
  strata: z
    .array(z.strictObject({ ...stratumFields, units: z.array(z.unknown()).max(limits.units) }))
    .max(limits.strata)
    .refine((strata) => strata.reduce((sum, { units }) => sum + units.length, 0) <= limits.units, 'too many units'),
  requests: z.array(z.unknown()).max(limits.requests),
  late: z.array(lateEntrySchema).max(limits.late),
  lateOutcomes: z.array(z.unknown()).max(limits.lateOutcomes),
  dropped: count,
  coversMs: milliseconds.exactOptional(),
})

const taken = z.number().int()
export const answerSchema = z.object({
  accepted: z.object({ units: taken, requests: taken, lateOutcomes: taken }),
  refused: z
    .array(z.object({ path: z.string(), code: z.literal('invalid_telemetry'), message: z.string() }))
    .readonly(),
  refusedCount: taken,
})
