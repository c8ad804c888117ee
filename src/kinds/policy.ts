import { z } from 'zod'
import { beforeAfterMetrics } from '../domain/before-after'
import type { PromptContent } from '../domain/contents'
import { diffJson } from '../domain/diff'
import { metricNames } from '../domain/metric'
import type { Policy } from '../domain/policy'
import { placeholdersIn, probeGapMs, probePlaceholders, probeProviderNames } from '../domain/probe'
import { maxQualityRules, qualityMetricShape } from '../domain/quality'
import { shadowBounds, shadowMetrics } from '../domain/shadow'
import { maxOutputClasses, maxOutputFields } from '../domain/telemetry-outputs'
import { defaultMaxHarm } from '../domain/tenant-harm'
import { kindNames } from '../domain/version'
import { type Kind, nameSchema, refSchema } from './kind'
import { promptVariables } from './prompt-render'

const hourMs = 3_600_000
const maxDurationMs = 90 * 24 * hourMs
const maxSteps = 50
const maxRules = 50
/** Each is a question every few seconds for as long as a release is exposed. */
const maxProbes = 10

const durationMs = z.int().min(0).max(maxDurationMs)
const share = z.number().min(0).max(1)
const ratio = z.number().positive().max(1000)
const artifactName = z
  .string()
  .regex(new RegExp(`^(${kindNames.join('|')})/[a-z0-9][a-z0-9._-]{0,99}$`), 'is no artifact: write kind/name')
const assignment = z.enum(['conversation', 'tenant'])

const stepShape = {
  basisPoints: z.int().min(1).max(10_000),
  bakeMs: durationMs.default(hourMs),
  minimumSample: z.int().min(0).max(10_000_000).default(200),
}

const mark = z.number().min(-1e9).max(1e9)
const custom = z.union([
  z.strictObject({ failsBelow: mark }),
  z.strictObject({ failsAbove: mark }),
  z.strictObject({ mean: z.enum(['higher_is_worse', 'lower_is_worse']) }),
])

const guardrail = z
  .strictObject({
    metric: z.string(),
    custom: custom.exactOptional(),
    role: z.enum(['rollback', 'pause', 'notify']).default('rollback'),
    margin: z.number().min(0).max(100),
    noEvidence: z.enum(['pause', 'extend', 'rollback', 'ask']).default('extend'),
  })
  .superRefine(({ metric, custom: told }, context) => {
    const known = metricNames.some((name) => name === metric)
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['metric'], message })
    if (told === undefined && !known) {
      refuse(`is no metric: use one of ${metricNames.join(', ')}, or say by \`custom\` how a told value counts`)
    }
    if (told !== undefined && known) refuse('is a built-in metric, which takes no `custom`')
    if (told !== undefined && !qualityMetricShape.test(metric)) refuse('is no name of a told metric: a-z, 0-9, _')
  })
const guardrails = z
  .array(guardrail)
  .max(maxRules)
  .superRefine((rows, context) => {
    const told = rows.flatMap(({ metric, custom: how }) => (how === undefined ? [] : [metric]))
    if (new Set(told).size < told.length) context.addIssue({ code: 'custom', message: 'names a told metric twice' })
    if (told.length > maxQualityRules) {
      context.addIssue({ code: 'custom', message: `names more than ${maxQualityRules} told metrics` })
    }
  })

const breaker = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('errors'),
    events: z
      .array(z.enum(['error', 'schema_failure']))
      .min(1)
      .max(2),
    minCount: z.int().min(1),
    minRate: share,
    windowMs: z.int().min(1000).max(hourMs),
  }),
  z.strictObject({
    kind: z.literal('budget'),
    usdPerHour: z.number().positive().exactOptional(),
    usdPerRelease: z.number().positive().exactOptional(),
    usdPerTenant: z.number().positive().exactOptional(),
  }),
])

const mildRole = z.enum(['pause', 'notify']).default('pause')
const outputs = z
  .array(
    z.strictObject({
      field: z.string().min(1).max(100),
      classes: z
        .array(z.string().min(1).max(100))
        .min(1)
        .max(maxOutputClasses)
        .refine((classes) => new Set(classes).size === classes.length, 'names a class twice')
        .exactOptional(),
      role: mildRole,
    }),
  )
  .min(1)
  .max(maxOutputFields)
  .refine((rows) => new Set(rows.map(({ field }) => field)).size === rows.length, 'names a field twice')

const limit = z.number().min(-1e15).max(1e15).exactOptional()
const probe = z
  .strictObject({
    name: nameSchema,
    provider: z.enum(probeProviderNames),
    endpoint: nameSchema,
    query: z
      .string()
      .trim()
      .min(1)
      .max(4_000)
      .superRefine((query, context) => {
        const unknown = placeholdersIn(query).find((name) => !probePlaceholders.some((known) => known === name))
        if (unknown === undefined) return
        const message = `names {{${unknown}}}; it may name ${probePlaceholders.map((one) => `{{${one}}}`).join(', ')}`
        context.addIssue({ code: 'custom', message })
      }),
    atMost: limit,
    atLeast: limit,
    role: z.enum(['rollback', 'pause', 'notify']).default('pause'),
    noEvidence: z.enum(['pause', 'extend', 'rollback', 'ask']).default('extend'),
    everyMs: z.int().min(1_000).max(600_000).default(15_000),
    maxAgeMs: z.int().min(1_000).max(hourMs).default(60_000),
  })
  .refine(({ atMost, atLeast }) => atMost !== undefined || atLeast !== undefined, 'has neither atMost nor atLeast')
  .refine(
    (row) => row.maxAgeMs >= probeGapMs(row),
    `has a maxAgeMs below everyMs + ${probeGapMs({ everyMs: 0 })}: a value would be too old before the next answer is there`,
  )
const probes = z
  .array(probe)
  .min(1)
  .max(maxProbes)
  .refine((rows) => new Set(rows.map(({ name }) => name)).size === rows.length, 'names a probe twice')
const judges = z
  .array(
    z.strictObject({
      metric: z.string().regex(qualityMetricShape, 'is no name of a told metric: a-z, 0-9, _'),
      engine: refSchema('engine'),
      prompt: refSchema('prompt'),
      rubric: z.string().min(1).max(20_000).exactOptional(),
      sampleBasisPoints: z.int().min(1).max(10_000),
      budgetUsd: z.number().positive().max(100_000).default(5),
      perMinute: z.int().min(1).max(600).default(60),
    }),
  )
  .min(1)
  .max(maxQualityRules)
  .refine((rows) => new Set(rows.map(({ metric }) => metric)).size === rows.length, 'judges a metric twice')
const maxHarm = z.strictObject({
  role: mildRole,
  margin: z.number().min(0).max(100).default(defaultMaxHarm.margin),
  minimumEvents: z.int().min(1).max(1_000_000).default(defaultMaxHarm.minimumEvents),
})

const beforeAfter = z.strictObject({
  metric: z.enum(beforeAfterMetrics).default('error_rate'),
  role: z.literal('notify').default('notify'),
  margin: z.number().min(0).max(100).default(0.25),
  minimumTenants: z.int().min(5).max(100_000).default(10),
})

const shadow = z.strictObject({
  basisPoints: z.int().min(1).max(10_000).default(1_000),
  minimumSample: z.int().min(1).max(shadowBounds.pairs).default(200),
  bakeMs: durationMs.default(0),
  deadlineMs: durationMs.default(24 * hourMs),
  usdPerHour: z.number().positive().max(1_000_000),
  guardrails: z
    .array(
      z.strictObject({
        metric: z.enum(shadowMetrics),
        role: z.enum(['rollback', 'pause', 'notify']).default('rollback'),
        margin: z.number().min(0).max(100),
      }),
    )
    .max(shadowMetrics.length)
    .refine((rows) => new Set(rows.map(({ metric }) => metric)).size === rows.length, 'names a metric twice'),
  noEvidence: z.enum(['go_on', 'pause', 'rollback']).default('pause'),
})
const maxRequestLogDays = 3_650

/** A policy that says nothing goes through 1, 5, 25, 50 and 95 % for an hour each; `steps: []` goes straight there. */
const defaultSteps = [100, 500, 2500, 5000, 9500].map((basisPoints) => ({
  basisPoints,
  bakeMs: hourMs,
  minimumSample: 200,
}))

/**
 * A decision keeps its whole evidence, by slice and by whoever told it, in one document of 16 MiB at most. At so many figures it
 * has about 12 MiB; what a slice has in any case weighs as much as 80 of them.
 */
const maxFigures = 15_000
const figuresOfSlice = 80
const figuresOfTold = 4

const policySchema = z
  .strictObject({
    environments: z.array(nameSchema).min(1).max(10).default(['staging', 'production']),
    leadMs: z.int().min(0).max(60_000).default(2000),
    approvals: z
      .strictObject({
        count: z.int().min(0).max(10).default(0),
        notTheAuthor: z.boolean().default(false),
        trustSignals: z.boolean().default(false),
      })
      .prefault({}),
    test: z
      .strictObject({
        regressionMargin: share.default(0.05),
        schemaComplianceMin: share.default(0.99),
        tokensRatioMax: ratio.default(1.5),
        latencyRatioMax: ratio.default(1.5),
        costRatioMax: ratio.default(1.5),
        shiftMargin: share.default(0.25),
        budgetUsd: z.number().positive().max(1_000_000).default(25),
      })
      .prefault({}),
    stage: z.strictObject({ smokeCases: z.int().min(0).max(100).default(3) }).prefault({}),
    shadow: shadow.exactOptional(),
    pilot: z
      .strictObject({
        ...stepShape,
        basisPoints: stepShape.basisPoints.default(5000),
        ring: nameSchema.default('pilot'),
        by: assignment.default('conversation'),
      })
      .exactOptional(),
    steps: z.array(z.strictObject(stepShape)).max(maxSteps).default(defaultSteps),
    by: assignment.default('conversation'),
    alpha: z.number().gt(0).max(0.5).default(0.05),
    guardrails: guardrails.default([]),
    breakers: z
      .array(breaker)
      .max(maxRules)
      .default([{ kind: 'errors', events: ['error', 'schema_failure'], minCount: 20, minRate: 0.5, windowMs: 60_000 }]),
    probes: probes.exactOptional(),
    judges: judges.exactOptional(),
    outputs: outputs.exactOptional(),
    maxHarm: maxHarm.exactOptional(),
    beforeAfter: beforeAfter.exactOptional(),
    deadlineMs: durationMs.default(24 * hourMs),
    onDeadline: z.enum(['pause', 'rollback']).default('pause'),
    exceptions: z
      .array(z.enum(['shifting', 'breaking']))
      .max(2)
      .default([]),
    requestLogDays: z.int().min(1).max(maxRequestLogDays).exactOptional(),
    onProviderChange: z.enum(['pause', 'notify']).exactOptional(),
    leakage: z.strictObject({ allow: z.array(artifactName).min(1).max(maxRules) }).exactOptional(),
    afterRollback: z.strictObject({ hold: z.boolean().default(true), veto: z.boolean().default(true) }).prefault({}),
  })
  .superRefine(({ guardrails: guarded, judges: asked = [] }, context) => {
    const told = guarded.flatMap(({ metric, custom: how }) => (how === undefined ? [] : [metric]))
    const idle = asked.find(({ metric }) => !told.includes(metric))
    if (idle === undefined) return
    const message = `judges ${idle.metric}, which no guardrail with \`custom\` tests`
    context.addIssue({ code: 'custom', path: ['judges'], message })
  })
  .superRefine(({ environments, by, pilot, guardrails: guarded }, context) => {
    if ((by === 'tenant' || pilot?.by === 'tenant') && guarded.some(({ custom: told }) => told !== undefined)) {
      const message = 'watches told metrics, which count conversations: expose by conversation'
      context.addIssue({ code: 'custom', path: ['guardrails'], message })
    }
    if (new Set(environments).size < environments.length) {
      context.addIssue({ code: 'custom', path: ['environments'], message: 'names an environment twice' })
    }
  })
  .superRefine(({ pilot, steps, outputs: watched = [], guardrails: guarded }, context) => {
    const classes = watched.reduce((sum, output) => sum + (output.classes?.length ?? 2) + 1, 0)
    const told = guarded.filter(({ custom: how }) => how !== undefined).length
    const slices = pilot === undefined ? steps.length : 2 * steps.length + 1
    if (slices * (figuresOfSlice + classes + figuresOfTold * told) <= maxFigures) return
    const message = 'is too much to keep with every decision: fewer steps, or fewer classes of outputs'
    context.addIssue({ code: 'custom', path: ['steps'], message })
  }) satisfies z.ZodType<Omit<Policy, 'judges'>>

type PolicyDraft = z.infer<typeof policySchema>

/** How a release goes forward and when it goes back. Which environments it crosses is what others rely on. */
export const policyKind: Kind<Policy, PolicyDraft> = {
  name: 'policy',
  folder: 'policies',
  changeType: 'test',
  schema: policySchema,
  references: ({ judges: asked = [] }) =>
    asked.flatMap(({ engine, prompt }, index) => [
      { path: ['judges', String(index), 'engine'], kind: 'engine' as const, ref: engine },
      { path: ['judges', String(index), 'prompt'], kind: 'prompt' as const, ref: prompt },
    ]),
  async seal(draft, tools) {
    const resolved = draft as Policy
    for (const { metric, prompt, rubric } of resolved.judges ?? []) {
      const variables = promptVariables((await tools.contentOf('prompt', prompt)) as PromptContent)
      const options = { judge: metric, ...(rubric === undefined ? {} : { rubric }) }
      tools.requireScorer('judge', options, { [metric]: variables })
    }
    return resolved
  },
  interfaceOf: ({ environments }) => ({ environments }),
  diff: (before, after) =>
    diffJson(before, after, ({ path }) => (path.startsWith('/environments') ? 'breaking' : 'safe')),
  summarize({ environments, shadow: copies, pilot, steps, guardrails, breakers }) {
    const shares = steps.map((step) => `${step.basisPoints / 100} %`).join(', ') || 'straight to 100 %'
    const before = copies === undefined ? '' : `shadow of ${copies.basisPoints / 100} %, then `
    const first = before + (pilot === undefined ? '' : `pilot ${pilot.ring}, then `)
    const watch = `${guardrails.length} guardrails, ${breakers.length} breakers`
    return `${environments.join(' → ')}: ${first}${shares}; ${watch}`
  },
}
