import { z } from 'zod'
import { checkNames } from '../domain/evaluation'
import { digestSchema } from '../kinds/kind'

/** Evaluations as the API answers them. Times are milliseconds since the epoch, shares 0..1, money USD. */
const list = <T extends z.ZodType>(item: T) => z.array(item).readonly()

const estimate = z.object({ mean: z.number(), lower: z.number(), upper: z.number() })

const figure = estimate.extend({ scorer: z.string(), figure: z.string() })
const test = estimate.extend({
  groups: z.number(),
  standardError: z.number().optional(),
  pBelow: z.number(),
  pAbove: z.number(),
})

const engineSeen = z.object({
  model: z.string(),
  fingerprint: z.string(),
  candidate: z.string().optional(),
  results: z.number(),
  from: z.number().optional(),
  to: z.number().optional(),
})

const armReport = z.object({
  composite: digestSchema,
  results: z.number(),
  errors: z.number(),
  fromStore: z.number(),
  accuracy: estimate,
  scores: z.record(z.string(), estimate),
  figures: list(figure).optional(),
  unscored: z.record(z.string(), z.number()).optional(),
  passed: estimate,
  schemaCompliance: estimate,
  tokens: z.object({ inputMean: z.number(), cachedMean: z.number(), outputMean: z.number() }),
  latency: z.object({ p50Ms: z.number(), p95Ms: z.number(), from: z.number(), to: z.number() }).optional(),
  cost: z.object({ totalUsd: z.number(), meanUsd: z.number(), uncachedMeanUsd: z.number() }),
  engines: list(engineSeen),
  branches: list(
    z.object({
      branch: z.string(),
      results: z.number(),
      share: z.number(),
      accuracy: estimate,
      schemaCompliance: estimate,
      latencyMeanMs: z.number(),
      costMeanUsd: z.number(),
    }),
  ).optional(),
})

const caseList = z.object({ count: z.number(), cases: list(z.string()) })
const spread = z.object({ p10: z.number(), p50: z.number(), p90: z.number() })
const shiftDetail = z.object({
  measure: z.enum(['changed_share', 'distance', 'one_sided']),
  moved: z.number(),
  changed: estimate,
  mix: list(z.object({ value: z.string(), before: z.number(), after: z.number() })).optional(),
  spread: z.object({ before: spread, after: spread }).optional(),
  difference: test.optional(),
  examples: list(z.object({ caseId: z.string(), repeat: z.number(), before: z.string(), after: z.string() })),
})
const fieldShift = z.object({
  field: z.string(),
  kind: z.enum(['boolean', 'number', 'category', 'text']),
  pairs: z.number(),
  changedShare: z.number(),
  before: z.number().optional(),
  after: z.number().optional(),
  detail: shiftDetail.optional(),
})

const comparison = z.object({
  pairs: z.number(),
  difference: test,
  fixed: caseList,
  broken: caseList,
  shifts: list(fieldShift),
  comparable: z.object({ answered: z.number(), incumbent: z.number(), both: z.number() }).optional(),
  tokensRatio: z.number().optional(),
  costRatio: z.number().optional(),
  latencyP95Ratio: z.number().optional(),
})

const report = z.object({
  suite: digestSchema,
  primary: z.string(),
  cases: z.number(),
  groups: z.number(),
  repeats: z.number(),
  candidate: armReport,
  incumbent: armReport.optional(),
  comparison: comparison.optional(),
  shifts: list(
    z.object({
      field: z.string(),
      verdict: z.enum(['pass', 'fail', 'no_evidence', 'not_applicable']),
      reason: z.string(),
    }),
  ).optional(),
  checks: list(
    z.object({
      name: z.enum(checkNames),
      verdict: z.enum(['pass', 'fail', 'no_evidence', 'not_applicable']),
      value: z.number().optional(),
      limit: z.number().optional(),
      text: z.string(),
    }),
  ),
  paid: z.object({
    calls: z.number(),
    results: z.number(),
    costUsd: z.number(),
    lostCalls: z.number(),
    judges: z
      .object({
        calls: z.number(),
        answers: z.number(),
        costUsd: z.number(),
        lostCalls: z.number(),
        stopped: z.string().optional(),
      })
      .optional(),
  }),
  judges: list(z.object({ engine: digestSchema, engines: list(engineSeen) })).optional(),
})

const key = {
  candidate: digestSchema,
  incumbent: digestSchema.optional(),
  suite: digestSchema,
  policy: digestSchema,
}

export const verdictSchema = z.object({
  ...key,
  id: z.string(),
  verdict: z.enum(['pass', 'fail', 'no_evidence']),
  reasons: list(z.string()),
  shifting: z.boolean(),
  report,
  evaluationId: z.string(),
  at: z.number(),
})

export const evaluationRunSchema = z.object({
  ...key,
  id: z.string(),
  by: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Its process went away; starting the same evaluation again pays only for what is missing. */
  interrupted: z.boolean(),
  progress: z.object({ done: z.number(), total: z.number(), fromStore: z.number(), paidUsd: z.number() }),
  startedAt: z.number(),
  updatedAt: z.number(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})

export const evaluationSchema = evaluationRunSchema.extend({ verdict: verdictSchema.optional() })

export const storedComparisonSchema = z.object({
  suite: digestSchema,
  before: armReport,
  after: armReport,
  comparison,
})
