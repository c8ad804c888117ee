import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
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
  for (let depth = 0; depth < searchDepth && !isProjectRoot(folder); depth++) folder = dirname(folder)
  assert(isProjectRoot(folder), 'the sources lie below the folder of package.json')
  return folder
}

/** The compiler copies an imported `package.json` into `dist`, which does not make that the project. */
function isProjectRoot(folder: string): boolean {
  const isOutput = basename(folder) === 'dist' && existsSync(join(folder, '..', 'package.json'))
  return existsSync(join(folder, 'package.json')) && !isOutput
}

const tailBytes = 2000
const runMark = '--- started'

/** The line that begins a run in a log that is kept over runs. */
export function runHeading(now: Date): string {
  return `${runMark} ${now.toISOString()}\n`
}

/** The end of a log file, of its last run only, for messages. */
export function tailOf(path: string): string {
  try {
    const text = readFileSync(path, 'utf8')
    const run = text.slice(Math.max(0, text.lastIndexOf(runMark)))
    return run
      .slice(run.indexOf('\n') + 1)
      .slice(-tailBytes)
      .trim()
  } catch {
    // Without a log there is nothing to show, and the message says the rest.
    return ''
  }
}
