import { z } from 'zod'
import { type Classify, diffJson } from '../domain/diff'
import type { PostprocessContent, PostprocessStep } from '../domain/pipeline-contents'
import { heavyShape, shortDigest } from './heavy-artifact'
import { type Kind, keySchema } from './kind'

const maxSteps = 100
const maxKeys = 200
const maxValues = 1000
const maxDigits = 12

const value = z.union([z.string().max(10_000), z.number(), z.boolean()])
const counted = <T extends z.ZodType>(values: T, most: number) =>
  z.record(keySchema, values).refine((named) => {
    const count = Object.keys(named).length
    return count >= 1 && count <= most
  }, `names at least one and at most ${most}`)

const stepSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('pick'), keys: z.array(keySchema).min(1).max(maxKeys) }),
  z.strictObject({
    step: z.literal('rename'),
    keys: counted(keySchema, maxKeys).refine(
      (names) => new Set(Object.values(names)).size === Object.keys(names).length,
      'gives two keys the same name',
    ),
  }),
  z
    .strictObject({
      step: z.literal('clamp'),
      key: keySchema,
      min: z.number().exactOptional(),
      max: z.number().exactOptional(),
    })
    .refine(({ min, max }) => (min ?? max) !== undefined, 'needs min or max')
    .refine(({ min, max }) => min === undefined || max === undefined || min <= max, 'has a min above its max'),
  z.strictObject({ step: z.literal('round'), key: keySchema, digits: z.int().min(0).max(maxDigits) }),
  z.strictObject({
    step: z.literal('map'),
    key: keySchema,
    values: counted(value, maxValues),
    otherwise: value.exactOptional(),
  }),
  z.strictObject({ step: z.literal('default'), key: keySchema, value }),
])

const postprocessSchema = z.union([
  z.strictObject({ steps: z.array(stepSchema).min(1).max(maxSteps) }),
  z.strictObject({ code: z.strictObject({ ...heavyShape, entry: z.string().min(1).max(200).exactOptional() }) }),
]) satisfies z.ZodType<PostprocessContent>

/** What is done to an output after it fitted its schema. Readers see what comes out, so most changes are theirs too. */
export const postprocessKind: Kind<PostprocessContent> = {
  name: 'postprocess',
  folder: 'postprocess',
  changeType: 'configuration',
  schema: postprocessSchema,
  references: () => [],
  interfaceOf: (content) => ('steps' in content ? content : { code: content.code.digest }),
  diff: (before, after) => diffJson(before, after, classify(before, after)),
  reads: (content) => ('steps' in content ? [...new Set(content.steps.flatMap(keysOf))] : []),
  summarize(content) {
    if ('code' in content) return `code ${shortDigest(content.code.digest)}`
    return content.steps.map(stepText).join(', ').slice(0, maxSummary)
  },
}

const maxSummary = 300

/** Keys of the output that a step names. What `rename` makes of them is none that a schema has. */
function keysOf(step: PostprocessStep): readonly string[] {
  if (step.step === 'pick') return step.keys
  return step.step === 'rename' ? Object.keys(step.keys) : [step.key]
}

const stepText = (step: PostprocessStep): string => {
  if (step.step === 'pick') return `pick ${step.keys.join(' ')}`
  return step.step === 'rename' ? `rename ${Object.keys(step.keys).join(' ')}` : `${step.step} ${step.key}`
}

/** Safe is only what lets out no value that could not come out before. Code is opaque, so other code breaks. */
const classify =
  (before: PostprocessContent, after: PostprocessContent): Classify =>
  ({ path, before: old, after: now }) => {
    if ('code' in before && 'code' in after)
      return path === '/code/digest' || path === '/code/entry' ? 'breaking' : 'safe'
    const [, , place, key] = path.split('/')
    if (!('steps' in before) || !('steps' in after) || place === undefined) return 'breaking'
    const [was, is] = [before.steps[Number(place)], after.steps[Number(place)]]
    if (was?.step !== 'clamp' || is?.step !== 'clamp' || was.key !== is.key || typeof now !== 'number')
      return 'breaking'
    if (typeof old !== 'number') return 'safe'
    return (key === 'min' ? now >= old : now <= old) ? 'safe' : 'breaking'
  }
