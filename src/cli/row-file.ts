import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { maxRowBytes, rowProblem } from '../domain/row'
import { maxDatasetRows } from '../kinds/dataset'
import { malformed } from './workspace-file'

/** One row of a file. */
export interface FileRow {
  readonly line: number
  readonly row: Readonly<Record<string, unknown>>
  /** Bytes of the file up to the end of this line. */
  readonly end: number
}

/** Where rows are: `file` is the name that people know it by. */
export interface RowFile {
  readonly path: string
  readonly file: string
}

const readTogether = 262_144

/**
 * The rows of a `.jsonl` file, one JSON object a line, read as they are asked for and never more than a line and a read
 * of them held. Empty lines, a byte order mark at the beginning and CRLF are passed over. Throws `malformed_file` with
 * the line.
 */
export async function* readRows({ path, file }: RowFile): AsyncGenerator<FileRow> {
  let count = 0
  for await (const { line, bytes, end } of fileLines(createReadStream(path, { highWaterMark: readTogether }), file)) {
    const text = lineText(bytes, file, line)
    if (text.trim() === '') continue
    count += 1
    if (count > maxDatasetRows) throw malformed(file, line, `has more than ${maxDatasetRows} rows`)
    yield { line, row: parseRow(text, file, line), end }
  }
  if (count === 0) throw malformed(file, 1, 'has no rows')
}

interface Line {
  readonly line: number
  readonly bytes: Buffer
  readonly end: number
}

const newLine = 0x0a

/** Lines without their ends. A line is refused as soon as it is too long, however long it would get. */
export async function* fileLines(chunks: AsyncIterable<Buffer>, file: string): AsyncGenerator<Line> {
  let held: Buffer[] = []
  let size = 0
  let line = 1
  let end = 0
  const hold = (piece: Buffer): void => {
    size += piece.length
    if (size > maxRowBytes) throw malformed(file, line, `is larger than ${maxRowBytes} bytes`)
    held.push(piece)
  }
  for await (const chunk of chunks) {
    let at = 0
    for (let next = chunk.indexOf(newLine); next !== -1; next = chunk.indexOf(newLine, at)) {
      hold(chunk.subarray(at, next))
      end += next + 1 - at
      at = next + 1
      yield { line, bytes: held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held), end }
      held = []
      size = 0
      line += 1
    }
    hold(chunk.subarray(at))
    end += chunk.length - at
  }
  if (size > 0) yield { line, bytes: Buffer.concat(held), end }
}

function lineText(bytes: Buffer, file: string, line: number): string {
  if (!isUtf8(bytes)) throw malformed(file, line, 'is no valid UTF-8')
  const text = bytes.toString('utf8')
  return line === 1 && text.startsWith('\ufeff') ? text.slice(1) : text
}

function parseRow(text: string, file: string, line: number): FileRow['row'] {
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch (error) {
    throw malformed(file, line, (error as Error).message)
  }
  const problem = rowProblem(row) ?? roundedNumber(text)
  if (problem !== undefined) throw malformed(file, line, problem)
  return row as FileRow['row']
}

const manyDigits = /\d{16}/
const textOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g

/** A long integer that reading would silently turn into another one: numbers in JSON are doubles (RFC 8785, RFC 7493). */
function roundedNumber(text: string): string | undefined {
  if (!manyDigits.test(text)) return undefined
  for (const [token] of text.matchAll(textOrNumber)) {
    // What JSON writers print for a double is the shortest text that reads back as it.
    if (!/^-?\d{16,}$/.test(token) || String(Number(token)) === token || BigInt(token) === BigInt(Number(token)))
      continue
    return `has the number ${token}, which no double can hold: write it as a text`
  }
  return undefined
}
