import { z } from 'zod'
import { diffJson } from '../domain/diff'
import type { EmbeddingContent } from '../domain/pipeline-contents'
import { inferenceStackSchema } from './inference-stack'
import { type Kind, nameSchema } from './kind'

const maxDimensions = 65_536
const maxTimeoutMs = 600_000
const maxAttempts = 10
const maxPrice = 100_000

const embeddingSchema = z.strictObject({
  endpoint: nameSchema,
  provider: z.literal('openai-compatible').default('openai-compatible'),
  model: z.string().min(1).max(200),
  dimensions: z.int().min(1).max(maxDimensions),
  normalization: z.enum(['none', 'l2']).default('none'),
  timeoutMs: z.int().min(1).max(maxTimeoutMs).default(30_000),
  maxAttempts: z.int().min(1).max(maxAttempts).default(3),
  pricePerMillion: z.number().min(0).max(maxPrice),
  inferenceStack: inferenceStackSchema.exactOptional(),
}) satisfies z.ZodType<EmbeddingContent>

/** Vectors of two models, lengths or scales do not compare, so an index depends on all of these. */
const spaceKeys = ['provider', 'model', 'dimensions', 'normalization'] as const

export const embeddingKind: Kind<EmbeddingContent> = {
  name: 'embedding',
  folder: 'embeddings',
  changeType: 'engine',
  schema: embeddingSchema,
  references: () => [],
  interfaceOf: (content) => Object.fromEntries(spaceKeys.map((key) => [key, content[key]])),
  diff: (before, after) =>
    diffJson(before, after, ({ path }) => (spaceKeys.some((key) => path === `/${key}`) ? 'breaking' : 'safe')),
  summarize: ({ model, endpoint, dimensions, normalization }) =>
    `${model} at ${endpoint}, ${dimensions} dimensions${normalization === 'l2' ? ', length 1' : ''}`,
}
