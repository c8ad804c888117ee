import { z } from 'zod'
import type { SchemaContent } from '../domain/contents'
import { type ClassedChange, diffJson, isRecord } from '../domain/diff'
import type { Kind } from './kind'
import { compareSchemas } from './schema-compat'
import { compileSchema } from './schema-compile'
import { dialectOf } from './schema-dialect'
import { inlineReferences, SchemaFault } from './schema-inline'
import { schemaRules } from './schema-rules'
import { shapeOf } from './schema-shape'

/** A JSON Schema that compiles and is harmless to run. */
export const jsonSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
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
  schema: jsonSchema,
  references: () => [],
  interfaceOf: (schema) => ({ dialect: dialectOf(schema), outputs: shapeOf(inlineReferences(schema)) }),
  diff,
  summarize(schema) {
    const keys = isRecord(schema.properties) ? Object.keys(schema.properties) : []
    return keys.length === 0 ? 'JSON Schema' : `keys ${keys.join(', ')}`
  },
}

function diff(before: SchemaContent, after: SchemaContent): readonly ClassedChange[] {
  const changes = [...dialectChanges(before, after), ...compareSchemas(before, after)]
  // Differences that describe no value (unused definitions, $id, the order within `type`) are still differences.
  return changes.length > 0 ? changes : diffJson(before, after, () => 'safe')
}

function dialectChanges(before: SchemaContent, after: SchemaContent): readonly ClassedChange[] {
  return diffJson(dialectOf(before), dialectOf(after), () => 'breaking').map((change) => ({
    ...change,
    path: '/$schema',
    text: `${change.text} (${schemaRules.dialect_changed.means})`,
    rule: 'dialect_changed',
  }))
}
