import { z } from 'zod'
import type { DatasetContent, DatasetStep } from '../domain/contents'
import { diffJson, sameJson } from '../domain/diff'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { digestSchema, type Kind, keySchema, nameSchema, type RowSet, refSchema, type SealTools } from './kind'

/** Rows of one dataset; how much memory a push takes does not depend on it. */
export const maxDatasetRows = 5_000_000
export const maxDatasetBytes = 64 * 1024 ** 3
/** Different top-level keys over all rows of a dataset. */
export const maxDatasetColumns = 2_000
/** Rows, or digests of rows, that stand in the draft itself. */
export const maxInlineRows = 20_000
const maxSteps = 20
const maxInputs = 50
const maxArguments = 100
const maxArgumentLength = 2_000
const maxUriLength = 2_000

const columnSchema = z.strictObject({ types: z.array(z.string()), required: z.boolean() })

const stepSchema = z.strictObject({
  inputs: z
    .record(nameSchema, refSchema('dataset'))
    .refine((inputs) => Object.keys(inputs).length <= maxInputs, `has more than ${maxInputs} inputs`)
    .default({}),
  code: z.strictObject({ digest: digestSchema, uri: z.string().min(1).max(maxUriLength).exactOptional() }),
  command: z.array(z.string().min(1).max(maxArgumentLength)).min(1).max(maxArguments),
  parameters: z.record(keySchema, z.json()).default({}),
  seed: z.int().exactOptional(),
  output: digestSchema.exactOptional(),
})

/** How the rows were made, in order; also what a workspace file may say beside rows in a file of their own. */
export const datasetStepsSchema = z.array(stepSchema).min(1).max(maxSteps)
const lineage = { steps: datasetStepsSchema.exactOptional() }

/** Inline rows, the digests of rows uploaded before, or the sealed form that a version holds. */
const datasetSchema = z.union([
  z.strictObject({ rows: z.array(z.unknown()).min(1).max(maxInlineRows), ...lineage }),
  z.strictObject({ rowDigests: z.array(digestSchema).min(1).max(maxInlineRows), ...lineage }),
  z.strictObject({
    root: digestSchema,
    count: z.int().min(1).max(maxDatasetRows),
    columns: z.record(keySchema, columnSchema),
    ...lineage,
  }),
])

type DatasetDraft = z.infer<typeof datasetSchema>

export const datasetKind: Kind<DatasetContent, DatasetDraft> = {
  name: 'dataset',
  folder: 'datasets',
  changeType: 'test',
  schema: datasetSchema,
  references: ({ steps = [] }) =>
    steps.flatMap(({ inputs }, step) =>
      Object.entries(inputs).map(([name, ref]) => ({
        path: ['steps', String(step), 'inputs', name],
        kind: 'dataset' as const,
        ref,
      })),
    ),
  seal,
  rowsOf: ({ root, count }) => ({ root, count }),
  interfaceOf: ({ columns }) => ({ columns }),
  diff: (before, after) =>
    diffJson(before, after, ({ path, change }) =>
      path.startsWith('/columns/') && change !== 'added' ? 'breaking' : 'safe',
    ),
  summarize: ({ count, columns, steps }) => {
    const keys = Object.keys(columns).sort()
    const named = keys.length > namedKeys ? [...keys.slice(0, namedKeys), `${keys.length - namedKeys} more`] : keys
    const made = steps === undefined ? '' : `, made in ${steps.length === 1 ? 'one step' : `${steps.length} steps`}`
    return `${count} rows with ${named.join(', ').slice(0, summaryLength)}${made}`
  },
}

const namedKeys = 12
const summaryLength = 200

async function seal(draft: DatasetDraft, tools: SealTools): Promise<DatasetContent> {
  const { root, count, columns } = await rowSetOf(draft, tools)
  return { root, count, columns, ...(draft.steps === undefined ? {} : { steps: sealSteps(draft.steps, root) }) }
}

async function rowSetOf(draft: DatasetDraft, tools: SealTools): Promise<RowSet> {
  if ('rows' in draft) return tools.setOfRows(draft.rows)
  if ('rowDigests' in draft) return tools.setOfRows(draft.rowDigests)
  const set = await tools.rowSet(draft.root)
  const { root, count, columns } = draft
  if (set.count === count && sameJson(set.columns, columns)) return set
  const text = `The rows of ${root} have other columns or another count than the draft says: ${set.count} rows, not ${count}.`
  throw new SluiceError('invalid_content', text, { count: set.count, columns: set.columns })
}

/** The last step made the rows of this dataset; what the ones before it made has to be said, since nothing else tells. */
function sealSteps(steps: z.infer<typeof datasetStepsSchema>, root: Digest): readonly DatasetStep[] {
  return steps.map(({ output, ...step }, place): DatasetStep => {
    const isLast = place === steps.length - 1
    if (isLast && output !== undefined && output !== root) {
      throw new SluiceError('invalid_content', `The last step says that it made ${output}, but the rows are ${root}.`)
    }
    const made = isLast ? root : output
    if (made === undefined) {
      throw new SluiceError(
        'invalid_content',
        `Step ${place + 1} does not say its output, the root of the rows it made.`,
      )
    }
    return { ...step, inputs: step.inputs as DatasetStep['inputs'], output: made }
  })
}
