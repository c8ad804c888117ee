import { z } from 'zod'
import { diffJson } from '../domain/diff'
import type { ModelContent } from '../domain/pipeline-contents'
import { heavySchema, shortDigest } from './heavy-artifact'
import { digestSchema, type Kind, keySchema, type Reference, refSchema } from './kind'

const maxBases = 20
const maxDatasets = 100
const maxSteps = 50
const maxParameters = 100

const datasets = z.array(refSchema('dataset')).min(1).max(maxDatasets)

const modelSchema = z.strictObject({
  bases: z
    .array(
      z.union([
        z.strictObject({ model: refSchema('model') }),
        z.strictObject({ provider: z.string().min(1).max(100), name: z.string().min(1).max(200) }),
      ]),
    )
    .min(1)
    .max(maxBases),
  datasets: z.strictObject({ train: datasets, validation: datasets.exactOptional() }),
  steps: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(200),
        code: digestSchema,
        parameters: z
          .record(keySchema, z.unknown())
          .refine((given) => Object.keys(given).length <= maxParameters, `has more than ${maxParameters} parameters`)
          .default({}),
      }),
    )
    .min(1)
    .max(maxSteps),
  seed: z.int().exactOptional(),
  checkpoint: heavySchema,
})

type ModelDraft = z.infer<typeof modelSchema>

/** A fine-tuned model. An engine serves it; nothing depends on its weights but the outputs, which the test stage measures. */
export const modelKind: Kind<ModelContent, ModelDraft> = {
  name: 'model',
  folder: 'models',
  changeType: 'engine',
  schema: modelSchema,
  references,
  interfaceOf: () => ({}),
  diff: (before, after) => diffJson(before, after, () => 'safe'),
  summarize({ bases, datasets, steps, checkpoint }) {
    const from = bases.map((base) => ('model' in base ? shortDigest(base.model) : base.name)).join(' and ')
    const rows = `${datasets.train.length} ${datasets.train.length === 1 ? 'dataset' : 'datasets'}`
    return `${from}, ${steps.map(({ name }) => name).join(' → ')} on ${rows}: ${shortDigest(checkpoint.digest)}`.slice(
      0,
      maxSummary,
    )
  },
}

const maxSummary = 300

function references({ bases, datasets }: ModelDraft): readonly Reference[] {
  const models = bases.flatMap((base, place): Reference[] =>
    'model' in base ? [{ path: ['bases', `${place}`, 'model'], kind: 'model', ref: base.model }] : [],
  )
  const rows = Object.entries(datasets).flatMap(([use, refs]) =>
    refs.map((ref, place): Reference => ({ path: ['datasets', use, `${place}`], kind: 'dataset', ref })),
  )
  return [...models, ...rows]
}
