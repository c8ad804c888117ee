import { isUtf8 } from 'node:buffer'
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { isRecord } from '../../domain/diff'
import { SluiceError } from '../../errors'
import { maxInlineRows } from '../../kinds/dataset'
import { malformed, maxFileBytes, readYaml } from '../workspace-file'
import { yamlFault } from '../yaml-bounds'

/** A file or a folder that somebody wants imported. Nothing outside of it is read, whatever its files say. */
export interface ImportSource {
  /** Paths relative to the folder, with slashes, sorted; of a single file only that one. */
  readonly files: readonly string[]
  has(file: string): boolean
  /** Throws `malformed_file` for what is outside, absent, too large or no text. */
  text(file: string): string
  /** YAML or JSON, by the ending. */
  value(file: string): unknown
  /** Lines of JSON, one value each. */
  lines(file: string): readonly { readonly line: number; readonly value: unknown }[]
}

const maxFiles = 2000
const maxFolderDepth = 16
const maxLinesBytes = 64 * 1024 * 1024
const maxDepth = 64

export function openSource(path: string): ImportSource {
  if (!existsSync(path)) throw new SluiceError('malformed_file', `${path} does not exist.`)
  const isFolder = statSync(path).isDirectory()
  const root = realpathSync(isFolder ? path : dirname(path))
  const files = isFolder ? listFiles(root) : [basename(path)]
  const text = (file: string, maxBytes = maxFileBytes): string => readInside(root, file, maxBytes)
  return {
    files,
    has: (file) => !isAbsolute(file) && existsSync(join(root, file)) && statSync(join(root, file)).isFile(),
    text: (file) => text(file),
    value: (file) => (extname(file) === '.json' ? jsonValue(text(file), file, 1) : yamlValue(text(file), file)),
    lines: (file) => jsonLines(text(file, maxLinesBytes), file),
  }
}

/** Dot files, packages and links are passed over. */
function listFiles(root: string): readonly string[] {
  const found: string[] = []
  const visit = (folder: string, depth: number): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isFile()) found.push(path)
      if (entry.isDirectory() && depth < maxFolderDepth) visit(path, depth + 1)
      if (found.length > maxFiles) throw malformed(path, undefined, `is one of more than ${maxFiles} files`)
    }
  }
  visit('', 0)
  return found.sort()
}

function readInside(root: string, file: string, maxBytes: number): string {
  const path = resolve(root, file)
  const outside = (real: string): boolean => {
    const from = relative(root, real)
    return from === '..' || from.startsWith(`..${sep}`) || isAbsolute(from)
  }
  if (file.includes('\u0000') || outside(path)) throw malformed(file, undefined, 'lies outside of what is imported')
  if (!existsSync(path)) throw malformed(file, undefined, 'is named, and is not there')
  if (outside(realpathSync(path))) throw malformed(file, undefined, 'is a link to the outside of what is imported')
  if (!lstatSync(realpathSync(path)).isFile()) throw malformed(file, undefined, 'is no file')
  if (statSync(path).size > maxBytes) throw malformed(file, undefined, `is larger than ${maxBytes} bytes`)
  const bytes = readFileSync(path)
  if (!isUtf8(bytes) || bytes.includes(0)) throw malformed(file, undefined, 'is no text: it is binary or not UTF-8')
  const text = bytes.toString('utf8')
  return (text.startsWith('\ufeff') ? text.slice(1) : text).replaceAll('\r\n', '\n')
}

/** Throws `malformed_file` with the line; also for aliases that would grow beyond measure, and for nesting. */
export function yamlValue(text: string, file: string, firstLine = 1): unknown {
  const fault = yamlFault(text)
  if (fault !== undefined) throw malformed(file, undefined, fault)
  const value = readYaml(text, file, firstLine - 1)
  return requireShallow(value, file, firstLine)
}

function jsonValue(text: string, file: string, line: number): unknown {
  try {
    return requireShallow(JSON.parse(text), file, line)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw malformed(file, line, (error as Error).message.replace(/\.$/, ''))
  }
}

function jsonLines(text: string, file: string): readonly { readonly line: number; readonly value: unknown }[] {
  const found: { line: number; value: unknown }[] = []
  for (const [place, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    if (found.length === maxInlineRows) throw malformed(file, place + 1, `has more than ${maxInlineRows} lines`)
    found.push({ line: place + 1, value: jsonValue(line, file, place + 1) })
  }
  return found
}

/** Level by level, so that no nesting can exhaust the stack. */
function requireShallow(value: unknown, file: string, line: number): unknown {
  let level: readonly unknown[] = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxDepth) throw malformed(file, line, `is nested deeper than ${maxDepth}`)
    level = level.flatMap((node) => (Array.isArray(node) ? node : isRecord(node) ? Object.values(node) : []))
  }
  return value
}
