import { z } from 'zod'
import type { SchemaContent } from '../domain/contents'
import { type ClassedChange, diffJson, isRecord } from '../domain/diff'
import type { Kind } from './kind'
import { annotations, compareSchemas } from './schema-compat'
import { compileSchema, dialectOf, SchemaFault } from './schema-compile'
import { inlineReferences } from './schema-inline'

const outputSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  try {
    compileSchema(schema)
  } catch (error) {
    if (!(error instanceof SchemaFault)) throw error
    context.addIssue({ code: 'custom', message: error.message })
  }
}) satisfies z.ZodType<SchemaContent>

/** The shape of outputs, as JSON Schema. */
export const schemaKind: Kind<SchemaContent> = {
  name: 'schema',
  folder: 'schemas',
  changeType: 'configuration',
  schema: outputSchema,
  references: () => [],
  interfaceOf: (schema) => ({ dialect: dialectOf(schema), outputs: withoutAnnotations(inlineReferences(schema)) }),
  diff,
  summarize(schema) {
    const keys = isRecord(schema.properties) ? Object.keys(schema.properties) : []
    return keys.length === 0 ? 'JSON Schema' : `keys ${keys.join(', ')}`
  },
}

function diff(before: SchemaContent, after: SchemaContent): readonly ClassedChange[] {
  const changes = [
    ...dialectChanges(before, after),
    ...compareSchemas(inlineReferences(before), inlineReferences(after)),
  ]
  // Differences that describe no value (unused definitions, $id, the order within `type`) are still differences.
  return changes.length > 0 ? changes : diffJson(before, after, () => 'safe')
}

function dialectChanges(before: SchemaContent, after: SchemaContent): readonly ClassedChange[] {
  return diffJson(dialectOf(before), dialectOf(after), () => 'breaking').map((change) => ({
    ...change,
    path: '/$schema',
  }))
}

/** Annotations are dropped where schemas stand, not where they are the names of properties. */
function withoutAnnotations(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutAnnotations)
  if (!isRecord(node)) return node
  const kept = Object.entries(node).filter(([key]) => !annotations.includes(key) && key !== '$id' && key !== '$schema')
  return Object.fromEntries(
    kept.map(([key, value]): [string, unknown] => {
      if (key === 'const') return [key, value]
      if (key === 'required' || key === 'enum' || key === 'type') return [key, sorted(value)]
      if ((key === 'properties' || key === 'patternProperties') && isRecord(value)) {
        return [key, Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withoutAnnotations(part)]))]
      }
      return [key, withoutAnnotations(value)]
    }),
  )
}

const sorted = (value: unknown): unknown =>
  Array.isArray(value) ? [...value].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value
