import { z } from 'zod'
import type { SuiteContent } from '../domain/contents'
import { diffJson } from '../domain/diff'
import { type Kind, keySchema, nameSchema, refSchema } from './kind'

const maxScorers = 50
const maxRepeats = 20
const maxInputs = 100

const share = z.number().min(0).max(1)

const suiteSchema = z
  .strictObject({
    dataset: refSchema('dataset'),
    inputs: z
      .record(keySchema, keySchema)
      .refine((inputs) => Object.keys(inputs).length <= maxInputs, `names more than ${maxInputs} variables`)
      .default({}),
    scorers: z
      .array(
        z.strictObject({
          name: nameSchema,
          scorer: z.string().min(1).max(100),
          options: z.record(keySchema, z.unknown()).default({}),
          gate: z.boolean().exactOptional(),
        }),
      )
      .min(1)
      .max(maxScorers),
    primary: nameSchema,
    thresholds: z.strictObject({ minAccuracy: share, minSchemaCompliance: share.exactOptional() }),
    groupBy: z.literal('group').default('group'),
    repeats: z.int().min(1).max(maxRepeats).default(1),
  })
  .superRefine(({ scorers, primary }, context) => {
    const names = scorers.map((scorer) => scorer.name)
    if (!names.includes(primary)) {
      context.addIssue({ code: 'custom', path: ['primary'], message: `${primary} is none of the scorers` })
    }
    if (new Set(names).size < names.length) {
      context.addIssue({ code: 'custom', path: ['scorers'], message: 'two scorers have the same name' })
    }
  }) satisfies z.ZodType<Omit<SuiteContent, 'dataset'>>

type SuiteDraft = z.infer<typeof suiteSchema>
/** A draft whose dataset is resolved. */
type ResolvedDraft = SuiteDraft & Pick<SuiteContent, 'dataset'>

/** Cases with what is expected of them, how outputs are scored, and the least that counts as passed. */
export const suiteKind: Kind<SuiteContent, SuiteDraft> = {
  name: 'suite',
  folder: 'suites',
  changeType: 'test',
  schema: suiteSchema,
  references: ({ dataset }) => [{ path: ['dataset'], kind: 'dataset', ref: dataset }],
  async seal(draft, tools) {
    for (const { scorer, options } of draft.scorers) tools.requireScorer(scorer, options)
    return draft as ResolvedDraft
  },
  interfaceOf: ({ primary, scorers }) => ({ primary, scorers: scoreNames(scorers) }),
  diff(before, after) {
    const kept = scoreNames(after.scorers)
    const isLost = scoreNames(before.scorers).some(([name, scorer]) =>
      kept.every((other) => other[0] !== name || other[1] !== scorer),
    )
    return diffJson(before, after, ({ path }) => {
      if (path === '/primary') return 'breaking'
      return isLost && path.startsWith('/scorers') ? 'breaking' : 'safe'
    })
  },
  reads: ({ scorers }) => [
    ...new Set(scorers.flatMap(({ options }) => (typeof options.path === 'string' ? [options.path] : []))),
  ],
  summarize({ scorers, primary, thresholds, repeats }) {
    const times = repeats === 1 ? '' : `, each ${repeats} times`
    return `${scorers.map((scorer) => scorer.name).join(', ')}; ${primary} at least ${thresholds.minAccuracy}${times}`
  },
}

const scoreNames = (scorers: SuiteContent['scorers']): readonly (readonly [string, string])[] =>
  scorers.map((scorer): [string, string] => [scorer.name, scorer.scorer]).sort(([a], [b]) => (a < b ? -1 : 1))
