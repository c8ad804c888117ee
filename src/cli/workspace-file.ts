import { createReadStream, readFileSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { LineCounter, parseDocument } from 'yaml'
import { SluiceError } from '../errors'

const maxFileBytes = 4_000_000
const maxRows = 20_000
const maxRowBytes = 3_500_000

export const malformed = (file: string, line: number | undefined, why: string): SluiceError =>
  new SluiceError('malformed_file', `${file}${line === undefined ? '' : `:${line}`}: ${why}.`, {
    file,
    ...(line === undefined ? {} : { line }),
  })

export function readText(path: string, file: string): string {
  if (statSync(path).size > maxFileBytes) throw malformed(file, undefined, `is larger than ${maxFileBytes} bytes`)
  return readFileSync(path, 'utf8')
}

/** Keys and values of a YAML or JSON file (JSON is YAML). Throws `malformed_file` with the line. */
export function parseKeys(text: string, file: string): Readonly<Record<string, unknown>> {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) throw malformed(file, counter.linePos(error.pos[0]).line, error.message)
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(file, 1, 'holds no keys and values')
  }
  return value as Readonly<Record<string, unknown>>
}

/** The rows of a `.jsonl` file, one JSON object a line, without holding them all. Throws `malformed_file`. */
export async function* readRows(path: string, file: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })
  let line = 0
  let count = 0
  for await (const text of lines) {
    line += 1
    if (text.trim() === '') continue
    count += 1
    if (count > maxRows) throw malformed(file, line, `has more than ${maxRows} rows`)
    yield parseRow(text, file, line)
  }
  if (count === 0) throw malformed(file, 1, 'has no rows')
}

function parseRow(text: string, file: string, line: number): Readonly<Record<string, unknown>> {
  if (Buffer.byteLength(text) > maxRowBytes) throw malformed(file, line, `is larger than ${maxRowBytes} bytes`)
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch (error) {
    throw malformed(file, line, (error as Error).message)
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw malformed(file, line, 'is no JSON object')
  return row as Readonly<Record<string, unknown>>
}
