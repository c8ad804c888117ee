import { z } from 'zod'
import type { PromptContent, SuiteContent } from '../domain/contents'
import { type ClassedChange, diffJson, isRecord } from '../domain/diff'
import { type Kind, keySchema, nameSchema, refSchema, type SealTools } from './kind'
import { promptVariables } from './prompt-render'

const maxScorers = 50
const maxRepeats = 20
const maxInputs = 100
const maxJudges = 20

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
          passAt: z.number().gt(0).max(1).exactOptional(),
        }),
      )
      .min(1)
      .max(maxScorers),
    judges: z
      .record(nameSchema, z.strictObject({ engine: refSchema('engine'), prompt: refSchema('prompt') }))
      .refine((judges) => Object.keys(judges).length <= maxJudges, `pins more than ${maxJudges} judges`)
      .exactOptional(),
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
  }) satisfies z.ZodType<Omit<SuiteContent, 'dataset' | 'judges'>>

type SuiteDraft = z.infer<typeof suiteSchema>
/** A draft whose dataset and judges are resolved. */
type ResolvedDraft = SuiteDraft & Pick<SuiteContent, 'dataset' | 'judges'>

/** Cases with what is expected of them, how outputs are scored, and the least that counts as passed. */
export const suiteKind: Kind<SuiteContent, SuiteDraft> = {
  name: 'suite',
  folder: 'suites',
  changeType: 'test',
  schema: suiteSchema,
  references: ({ dataset, judges = {} }) => [
    { path: ['dataset'], kind: 'dataset', ref: dataset },
    ...Object.entries(judges).flatMap(([name, { engine, prompt }]) => [
      { path: ['judges', name, 'engine'], kind: 'engine' as const, ref: engine },
      { path: ['judges', name, 'prompt'], kind: 'prompt' as const, ref: prompt },
    ]),
  ],
  async seal(draft, tools) {
    const resolved = draft as ResolvedDraft
    const judges = await variablesOf(resolved, tools)
    for (const { scorer, options } of draft.scorers) tools.requireScorer(scorer, options, judges)
    return resolved
  },
  interfaceOf: ({ primary, scorers }) => ({ primary, scorers: scoreNames(scorers) }),
  diff(before, after) {
    const lost = lostScores(before, after)
    const changes = diffJson(byName(before), byName(after), ({ path }) => {
      if (path === '/primary') return 'breaking'
      return lost.some((name) => path === `/scorers/${name}` || path === `/scorers/${name}/scorer`)
        ? 'breaking'
        : 'safe'
    })
    return [...changes, ...orderChange(before, after)]
  },
  reads: ({ scorers }) => [...new Set(scorers.flatMap(({ options }) => keysNamed(options)))],
  summarize({ scorers, primary, thresholds, repeats }) {
    const times = repeats === 1 ? '' : `, each ${repeats} times`
    return `${scorers.map((scorer) => scorer.name).join(', ')}; ${primary} at least ${thresholds.minAccuracy}${times}`
  },
}

/** Judge → variables of its prompt, which the scorers that ask it are checked against. */
async function variablesOf(
  { judges = {} }: ResolvedDraft,
  tools: SealTools,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const variables: [string, readonly string[]][] = []
  for (const [name, { prompt }] of Object.entries(judges)) {
    variables.push([name, promptVariables((await tools.contentOf('prompt', prompt)) as PromptContent)])
  }
  return Object.fromEntries(variables)
}

const scoreNames = (scorers: SuiteContent['scorers']): readonly (readonly [string, string])[] =>
  scorers.map((scorer): [string, string] => [scorer.name, scorer.scorer]).sort(([a], [b]) => (a < b ? -1 : 1))

/** Scores that are gone, or that mean something else under the same name. */
const lostScores = (before: SuiteContent, after: SuiteContent): readonly string[] =>
  before.scorers
    .filter(({ name, scorer }) => !after.scorers.some((other) => other.name === name && other.scorer === scorer))
    .map(({ name }) => name)

/** A suite as JSON in which a change of one scorer stands under its name, wherever it is in the list. */
const byName = (suite: SuiteContent): unknown => ({
  ...suite,
  scorers: Object.fromEntries(suite.scorers.map(({ name, ...rest }) => [name, rest])),
})

/** The order of scorers means nothing, but contents that differ in it are not equal. */
function orderChange(before: SuiteContent, after: SuiteContent): readonly ClassedChange[] {
  const names = [before, after].map(({ scorers }) => scorers.map(({ name }) => name))
  const [own = [], other = []] = names.map((list) => list.filter((name) => names.every((all) => all.includes(name))))
  if (own.join(' ') === other.join(' ')) return []
  const text = `scorers stand in another order: ${other.join(', ')}`
  return [{ path: '/scorers', change: 'changed', before: own, after: other, text, class: 'safe' }]
}

/** Scorers name what they look at in `path`, or in `fields`: a list, or field → label. */
function keysNamed({ path, fields }: SuiteContent['scorers'][number]['options']): readonly string[] {
  const listed: readonly unknown[] = Array.isArray(fields) ? fields : isRecord(fields) ? Object.keys(fields) : []
  return [path, ...listed].filter((key) => typeof key === 'string')
}
