import { malformed } from '../workspace-file'

const maxRows = 20_000
const maxColumns = 500

/**
 * Rows of a CSV by the names of its first line: fields between commas, quoted ones with `""` for a quote (RFC 4180).
 * Throws `malformed_file` with the line.
 */
export function parseCsv(
  text: string,
  file: string,
): readonly { readonly line: number; readonly row: ReadonlyMap<string, string> }[] {
  const [head, ...records] = recordsOf(text, file)
  if (head === undefined) throw malformed(file, 1, 'is empty')
  const names = head.fields
  if (new Set(names).size < names.length) throw malformed(file, 1, 'has two columns of the same name')
  return records.map(({ line, fields }) => {
    if (fields.length !== names.length) {
      throw malformed(file, line, `has ${fields.length} fields, and the first line has ${names.length}`)
    }
    return { line, row: new Map(names.map((name, place) => [name, fields[place] ?? ''])) }
  })
}

interface CsvRecord {
  readonly line: number
  readonly fields: readonly string[]
}

const field = /"((?:[^"]|"")*)"|([^",\n]*)/y

function recordsOf(text: string, file: string): readonly CsvRecord[] {
  const records: CsvRecord[] = []
  let place = 0
  let line = 1
  while (place < text.length) {
    const fields: string[] = []
    const start = line
    for (;;) {
      field.lastIndex = place
      const [whole = '', quoted, plain = ''] = field.exec(text) ?? []
      fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
      if (fields.length > maxColumns) throw malformed(file, start, `has more than ${maxColumns} columns`)
      line += whole.split('\n').length - 1
      place += whole.length
      const next = text[place]
      if (next === ',') place += 1
      else if (next === undefined || next === '\n') break
      else throw malformed(file, line, 'has a quote that is never closed, or text behind one')
    }
    place += 1
    line += 1
    const isEmpty = fields.length === 1 && fields[0]?.trim() === ''
    if (!isEmpty) records.push({ line: start, fields })
    if (records.length > maxRows + 1) throw malformed(file, start, `has more than ${maxRows} rows`)
  }
  return records
}
