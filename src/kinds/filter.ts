import { z } from 'zod'
import type { FilterCondition, FilterContent } from '../domain/contents'
import { type ClassedChange, diffJson } from '../domain/diff'
import { filterAttributes, filterSize } from './filter-accepts'
import { type Kind, keySchema } from './kind'

const maxConditions = 500
const maxDepth = 16
const maxChoices = 1000

const attribute = keySchema
const value = z.union([z.string().max(1000), z.number(), z.boolean()])

const conditionSchema: z.ZodType<FilterCondition> = z.lazy(() =>
  z.union([
    z.strictObject({ all: z.array(conditionSchema).min(1) }),
    z.strictObject({ any: z.array(conditionSchema).min(1) }),
    z.strictObject({ not: conditionSchema }),
    z.strictObject({ attribute, eq: value }),
    z.strictObject({ attribute, in: z.array(value).min(1).max(maxChoices) }),
    z.strictObject({ attribute, exists: z.boolean() }),
    z.strictObject({ attribute, gt: z.number() }),
    z.strictObject({ attribute, lt: z.number() }),
  ]),
)

/** A condition of bounded size. Depth is asked first: reading one that is too deep would itself go too deep. */
export const boundedCondition: z.ZodType<FilterCondition> = z
  .unknown()
  .refine((given) => !isDeeper(given, 2 * maxDepth), { message: `is nested deeper than ${maxDepth}`, abort: true })
  .pipe(conditionSchema)
  .superRefine((condition, context) => {
    const { count, depth } = filterSize(condition)
    if (count > maxConditions)
      context.addIssue({ code: 'custom', message: `has more than ${maxConditions} conditions` })
    if (depth > maxDepth) context.addIssue({ code: 'custom', message: `is nested deeper than ${maxDepth}` })
  })

/** Levels of a JSON value; one of a condition takes two, a key and a list. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1))
}

const filterSchema = z.strictObject({ accept: boundedCondition }) satisfies z.ZodType<FilterContent>

/** Which conversations a task takes. */
export const filterKind: Kind<FilterContent> = {
  name: 'filter',
  folder: 'filters',
  changeType: 'configuration',
  schema: filterSchema,
  references: () => [],
  interfaceOf: (content) => ({ attributes: filterAttributes(content) }),
  diff: (before, after) => [
    ...attributeChanges(filterAttributes(before), filterAttributes(after)),
    ...diffJson(before, after, () => 'safe'),
  ],
  summarize: (content) => `reads ${filterAttributes(content).join(', ')}`,
}

/** A new attribute must be given by every application; one that is no longer read does no harm. */
export function attributeChanges(old: readonly string[], now: readonly string[]): readonly ClassedChange[] {
  const change = (name: string, what: 'added' | 'removed', risk: ClassedChange['class']): ClassedChange => ({
    path: `attributes/${name}`,
    change: what,
    text: what === 'added' ? `reads the attribute ${name} now` : `reads the attribute ${name} no longer`,
    class: risk,
  })
  return [
    ...old.filter((name) => !now.includes(name)).map((name) => change(name, 'removed', 'safe')),
    ...now.filter((name) => !old.includes(name)).map((name) => change(name, 'added', 'breaking')),
  ]
}
