import { z } from 'zod'
import { type ClassedChange, diffJson } from '../domain/diff'
import type { ToolContent } from '../domain/pipeline-contents'
import type { Kind } from './kind'
import { jsonSchema } from './schema'
import { compareInputs } from './schema-compat'
import { dialectOf } from './schema-dialect'
import { inlineReferences } from './schema-inline'
import { shapeOf } from './schema-shape'

const maxDescription = 4000

const toolSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no tool name: letters, digits, dash and underscore, at most 64'),
  description: z.string().min(1).max(maxDescription),
  parameters: jsonSchema.refine(({ type }) => type === 'object', 'describes no object: a tool takes named arguments'),
}) satisfies z.ZodType<ToolContent>

/** A function that the engine may call. Its arguments are given to it, so their schema is compared as an input. */
export const toolKind: Kind<ToolContent> = {
  name: 'tool',
  folder: 'tools',
  changeType: 'configuration',
  schema: toolSchema,
  references: () => [],
  interfaceOf: ({ name, parameters }) => ({
    name,
    dialect: dialectOf(parameters),
    parameters: shapeOf(inlineReferences(parameters)),
  }),
  diff(before, after) {
    const { parameters: old, ...rest } = before
    const { parameters: now, ...others } = after
    return [
      ...diffJson(rest, others, ({ path }) => (path === '/name' ? 'breaking' : 'safe')),
      ...parameterChanges(old, now),
    ]
  },
  summarize({ name, parameters }) {
    const keys = Object.keys((parameters.properties as object | undefined) ?? {})
    return `${name}(${keys.join(', ')})`.slice(0, maxSummary)
  },
}

const maxSummary = 300

function parameterChanges(before: ToolContent['parameters'], after: ToolContent['parameters']): ClassedChange[] {
  const dialect = diffJson(dialectOf(before), dialectOf(after), () => 'breaking').map((change) => ({
    ...change,
    path: '/$schema',
  }))
  const found = [...dialect, ...compareInputs(before, after)]
  // Differences that describe no value are still differences.
  const changes = found.length > 0 ? found : diffJson(before, after, () => 'safe')
  return changes.map((change) => ({ ...change, path: `/parameters${change.path}` }))
}
