import { z } from 'zod'
import { type FieldContent, fieldTypes } from '../domain/contents'
import { diffJson } from '../domain/diff'
import type { Kind } from './kind'

const fieldSchema = z.strictObject({
  computerName: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'is no computer name: a-z, 0-9 and underscore'),
  type: z.enum(fieldTypes),
  label: z.string().min(1).max(200),
}) satisfies z.ZodType<FieldContent>

/**
 * A custom field. Stored values and reports hang on name and type, so only the label ever changes, and no two fields
 * with one computer name say different types.
 */
export const fieldKind: Kind<FieldContent> = {
  name: 'field',
  folder: 'fields',
  changeType: 'configuration',
  schema: fieldSchema,
  immutable: ['computerName', 'type'],
  claim: ({ computerName, type }) => ({ name: computerName, value: type }),
  references: () => [],
  interfaceOf: ({ computerName, type }) => ({ computerName, type }),
  diff: (before, after) => diffJson(before, after, ({ path }) => (path === '/label' ? 'safe' : 'breaking')),
  summarize: ({ computerName, type, label }) => `${label} (${computerName}: ${type})`,
}
