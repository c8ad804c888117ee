import { z } from 'zod'
import type { EngineContent } from '../domain/contents'
import { diffJson } from '../domain/diff'
import { inferenceStackSchema } from './inference-stack'
import { type Kind, nameSchema, refSchema } from './kind'

const maxTimeoutMs = 600_000
const maxEngineAttempts = 10
const maxPrice = 100_000

const price = z.number().min(0).max(maxPrice)

const engineSchema = z.strictObject({
  endpoint: nameSchema,
  provider: z.literal('openai-compatible').default('openai-compatible'),
  model: z.string().min(1).max(200),
  parameters: z
    .strictObject({
      temperature: z.number().min(0).max(2).exactOptional(),
      topP: z.number().gt(0).max(1).exactOptional(),
      maxOutputTokens: z.int().min(1).max(1_000_000).exactOptional(),
      presencePenalty: z.number().min(-2).max(2).exactOptional(),
      frequencyPenalty: z.number().min(-2).max(2).exactOptional(),
      stop: z.array(z.string().min(1).max(100)).max(4).exactOptional(),
    })
    .default({}),
  timeoutMs: z.int().min(1).max(maxTimeoutMs).default(30_000),
  maxAttempts: z.int().min(1).max(maxEngineAttempts).default(3),
  pricePerMillion: z.strictObject({ input: price, cachedInput: price, output: price }),
  seed: z.int().exactOptional(),
  inferenceStack: inferenceStackSchema.exactOptional(),
  tunedModel: refSchema('model').exactOptional(),
})

type EngineDraft = z.infer<typeof engineSchema>

/** The wire protocol is what callers depend on; model and parameters shift outputs, which the test stage measures. */
export const engineKind: Kind<EngineContent, EngineDraft> = {
  name: 'engine',
  folder: 'engines',
  changeType: 'engine',
  schema: engineSchema,
  references: ({ tunedModel }) =>
    tunedModel === undefined ? [] : [{ path: ['tunedModel'], kind: 'model', ref: tunedModel }],
  interfaceOf: (content) => ({ provider: content.provider }),
  diff: (before, after) => diffJson(before, after, ({ path }) => (path === '/provider' ? 'breaking' : 'safe')),
  summarize(content) {
    const { temperature } = content.parameters
    const heat = temperature === undefined ? '' : `, temperature ${temperature}`
    const { input, output } = content.pricePerMillion
    return `${content.model} at ${content.endpoint}${heat}, ${input}/${output} USD per million tokens in/out`
  },
}
