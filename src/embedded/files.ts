import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assert } from '../errors'

/** Writes a file so that a reader sees the old content or the new one, never a part. */
export function writeAtomically(path: string, content: string, mode = 0o644): void {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    writeFileSync(temporary, content, { mode, flush: true })
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** The parsed file, or absent if there is none or it is not JSON. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

const searchDepth = 6

/** The folder of `package.json`, whether this runs from the sources or from `dist`. */
export function projectRoot(): string {
  let folder = __dirname
  for (let depth = 0; depth < searchDepth && !existsSync(join(folder, 'package.json')); depth++)
    folder = dirname(folder)
  assert(existsSync(join(folder, 'package.json')), 'the sources lie below the folder of package.json')
  return folder
}

const tailBytes = 2000

/** The end of a log file, for messages. */
export function tailOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(-tailBytes).trim()
  } catch {
    return ''
  }
}
