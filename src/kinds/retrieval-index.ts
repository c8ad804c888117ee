import { z } from 'zod'
import { diffJson } from '../domain/diff'
import type { IndexContent } from '../domain/pipeline-contents'
import type { Digest } from '../domain/version'
import { heavySchema, shortDigest } from './heavy-artifact'
import { type InterfaceLookup, type Kind, keySchema, refSchema } from './kind'

const maxBuildParameters = 100

const indexSchema = z.strictObject({
  embedding: refSchema('embedding'),
  dataset: refSchema('dataset'),
  build: z
    .record(keySchema, z.union([z.string().max(1000), z.number(), z.boolean()]))
    .refine(
      (build) => Object.keys(build).length <= maxBuildParameters,
      `has more than ${maxBuildParameters} parameters`,
    )
    .default({}),
  artifact: heavySchema,
})

type IndexDraft = z.infer<typeof indexSchema>

/** A retrieval index. Whoever asks it has to embed the question in the same space. */
export const indexKind: Kind<IndexContent, IndexDraft> = {
  name: 'index',
  folder: 'indexes',
  changeType: 'configuration',
  schema: indexSchema,
  references: ({ embedding, dataset }) => [
    { path: ['embedding'], kind: 'embedding', ref: embedding },
    { path: ['dataset'], kind: 'dataset', ref: dataset },
  ],
  interfaceOf: ({ embedding }, lookup) => ({ embedding: lookup(embedding) }),
  diff: (before, after, lookup) =>
    diffJson(before, after, ({ path, before: old, after: now }) =>
      path === '/embedding' && !isSameSpace(old, now, lookup) ? 'breaking' : 'safe',
    ),
  summarize: ({ dataset, embedding, artifact }) =>
    `dataset ${shortDigest(dataset)} by embedding ${shortDigest(embedding)}, artifact ${shortDigest(artifact.digest)}`,
}

const isSameSpace = (before: unknown, after: unknown, lookup: InterfaceLookup): boolean =>
  lookup(before as Digest) === lookup(after as Digest)
