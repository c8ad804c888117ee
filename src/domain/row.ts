import { isRecord } from './diff'

/** A row travels in one request body, so it stays under the API's limit. */
export const maxRowBytes = 3_500_000
export const maxRowColumns = 200
const maxKeyLength = 200
/** Objects and lists within each other; deeper ones would exhaust the stack of whoever walks them. */
export const maxRowDepth = 100

type Row = Readonly<Record<string, unknown>>

/** Why a JSON value cannot be a row, as the end of a sentence about it; absent where it can. Takes time linear in its size. */
export function rowProblem(value: unknown): string | undefined {
  if (!isRecord(value)) return 'is no JSON object'
  const columns = Object.keys(value)
  if (columns.length > maxRowColumns) return `has more than ${maxRowColumns} keys`
  if (columns.some((key) => key === '' || key.length > maxKeyLength)) {
    return `has a key that is empty or longer than ${maxKeyLength} characters`
  }
  const waiting: { readonly node: unknown; readonly depth: number }[] = [{ node: value, depth: 1 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, depth } = next
    const problem = leafProblem(node)
    if (problem !== undefined) return problem
    if (typeof node !== 'object' || node === null) continue
    if (depth > maxRowDepth) return `is nested more than ${maxRowDepth} deep`
    if (!Array.isArray(node)) {
      const problemOfKeys = keyProblem(node as Row)
      if (problemOfKeys !== undefined) return problemOfKeys
    }
    for (const child of Object.values(node)) waiting.push({ node: child, depth: depth + 1 })
  }
  return undefined
}

/** The parser of request bodies refuses the first two, since careless code would take them for prototypes. */
function keyProblem(node: Row): string | undefined {
  if (Object.hasOwn(node, '__proto__')) return 'has the reserved key __proto__'
  const made = Object.hasOwn(node, 'constructor') ? node.constructor : undefined
  if (isRecord(made) && Object.hasOwn(made, 'prototype')) return 'has the reserved key constructor.prototype'
  return Object.keys(node).some((key) => loneSurrogate.test(key)) ? loneSurrogateText : undefined
}

/** RFC 8785 has no form for these, or another one on another machine. */
function leafProblem(node: unknown): string | undefined {
  switch (typeof node) {
    case 'string':
      return loneSurrogate.test(node) ? loneSurrogateText : undefined
    case 'number':
      return Number.isFinite(node) ? undefined : 'has a number that is not finite'
    case 'object':
    case 'boolean':
      return undefined
    default:
      return `has a value of type ${typeof node}, which is not JSON`
  }
}

const loneSurrogate = /\p{Surrogate}/u
const loneSurrogateText = 'has a text with half a character (a lone surrogate)'

/** Type of each top-level key of a row, as JSON text with the keys in order: rows of one form have one text. */
export function rowShape(row: Row): string {
  const columns = Object.keys(row)
    .sort()
    .map((key): [string, string] => [key, typeName(row[key])])
  return JSON.stringify(Object.fromEntries(columns))
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

const maxIdLength = 200

/** What pairs the rows of two datasets: the row's own `id`, a text or a number, as JSON; absent where it has none. */
export function rowId(row: Row): string | undefined {
  const id = Object.hasOwn(row, 'id') ? row.id : undefined
  if (typeof id === 'number') return JSON.stringify(id)
  return typeof id === 'string' && id.length <= maxIdLength ? JSON.stringify(id) : undefined
}
