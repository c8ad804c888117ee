import { readFileSync, statSync } from 'node:fs'
import { LineCounter, parseDocument } from 'yaml'
import { SluiceError } from '../errors'

const maxFileBytes = 4_000_000

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
