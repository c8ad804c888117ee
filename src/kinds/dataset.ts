import { z } from 'zod'
import type { DatasetColumn, DatasetContent } from '../domain/contents'
import { diffJson } from '../domain/diff'
import { digestSchema, type Kind, keySchema, type SealTools, type StoredRow } from './kind'

/** Rows of one dataset; their bytes are bounded where they are stored. */
export const maxDatasetRows = 20_000

const rowSchema = z.record(z.string(), z.unknown())
const columnSchema = z.strictObject({ types: z.array(z.string()), required: z.boolean() })

/** Inline rows, the digests of rows uploaded before, or the sealed form that a version holds. */
const datasetSchema = z.union([
  z.strictObject({ rows: z.array(rowSchema).min(1).max(maxDatasetRows) }),
  z.strictObject({ rowDigests: z.array(digestSchema).min(1).max(maxDatasetRows) }),
  z.strictObject({
    root: digestSchema,
    count: z.int().min(1).max(maxDatasetRows),
    columns: z.record(keySchema, columnSchema),
  }) satisfies z.ZodType<DatasetContent>,
])

type DatasetDraft = z.infer<typeof datasetSchema>

export const datasetKind: Kind<DatasetContent, DatasetDraft> = {
  name: 'dataset',
  folder: 'datasets',
  changeType: 'test',
  schema: datasetSchema,
  references: () => [],
  seal,
  rowsOf: ({ root, count }) => ({ root, count }),
  interfaceOf: ({ columns }) => ({ columns }),
  diff: (before, after) =>
    diffJson(before, after, ({ path, change }) =>
      path.startsWith('/columns/') && change !== 'added' ? 'breaking' : 'safe',
    ),
  summarize: ({ count, columns }) => `${count} rows with ${Object.keys(columns).sort().join(', ')}`,
}

async function seal(draft: DatasetDraft, tools: SealTools): Promise<DatasetContent> {
  if ('root' in draft) {
    await tools.requireRoot(draft.root)
    return draft
  }
  const digests = 'rows' in draft ? await tools.putRows(draft.rows) : draft.rowDigests
  const rows = await tools.findRows(digests)
  return { root: await tools.sealRows(digests), count: digests.length, columns: columnsOf(rows) }
}

function columnsOf(rows: readonly StoredRow[]): Readonly<Record<string, DatasetColumn>> {
  const seen = new Map<string, { types: Set<string>; count: number }>()
  for (const row of rows) {
    for (const [key, type] of Object.entries(row.columns)) {
      const column = seen.get(key) ?? { types: new Set(), count: 0 }
      column.types.add(type)
      column.count += 1
      seen.set(key, column)
    }
  }
  const columns = [...seen].map(([key, { types, count }]): [string, DatasetColumn] => [
    key,
    { types: [...types].sort(), required: count === rows.length },
  ])
  return Object.fromEntries(columns.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Type of each top-level key of a row. */
export function rowColumns(row: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, typeName(value)]))
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
