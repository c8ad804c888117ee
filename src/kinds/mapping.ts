import { z } from 'zod'
import type { MappingContent } from '../domain/contents'
import { diffJson } from '../domain/diff'
import type { Digest } from '../domain/version'
import { type InterfaceLookup, type Kind, keySchema, refSchema } from './kind'

const maxMappedKeys = 200

const mappingSchema = z.strictObject({
  fields: z.record(keySchema, refSchema('field')).refine((fields) => {
    const count = Object.keys(fields).length
    return count >= 1 && count <= maxMappedKeys
  }, `maps at least one key and at most ${maxMappedKeys}`),
})

type MappingDraft = z.infer<typeof mappingSchema>

/** Which custom field each key of the output is written to. */
export const mappingKind: Kind<MappingContent, MappingDraft> = {
  name: 'mapping',
  folder: 'mappings',
  changeType: 'configuration',
  schema: mappingSchema,
  references: ({ fields }) =>
    Object.entries(fields).map(([key, ref]) => ({ path: ['fields', key], kind: 'field', ref })),
  interfaceOf: ({ fields }, lookup) => ({
    fields: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, lookup(field)])),
  }),
  diff: (before, after, lookup) =>
    diffJson(before, after, ({ before: old, after: now }) => {
      if (old === undefined) return 'safe'
      return now !== undefined && isSameField(old, now, lookup) ? 'safe' : 'breaking'
    }),
  reads: ({ fields }) => Object.keys(fields),
  summarize: ({ fields }) => `${Object.keys(fields).length} keys: ${Object.keys(fields).sort().join(', ')}`,
}

/** A new label is another version of the same field: it is written to the same place in the same type. */
const isSameField = (before: unknown, after: unknown, lookup: InterfaceLookup): boolean =>
  lookup(before as Digest) === lookup(after as Digest)
