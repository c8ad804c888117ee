import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ErrorCode, errorTable } from '../../src/errors'

const tests = join(__dirname, '..')

/** Codes that no test brings about → why. */
const unprovoked: Partial<Record<ErrorCode, string>> = {}

function testFiles(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path !== __filename && !path.includes('tidy'))
}

/** Where tests name what they expect: a code in quotes, or at the beginning of a message or a pattern. */
const named = (code: string): RegExp => new RegExp(`['"\`/^]${code}\\b`)

it('every code of the table is what some test expects, or it is said here why none can', () => {
  const sources = [...testFiles(tests), join(tests, 'support/cuts/refused-calls.ts')]
  const text = sources.map((path) => readFileSync(path, 'utf8')).join('\n')
  const missing = Object.keys(errorTable).filter((code) => !named(code).test(text))
  expect(missing).toEqual(Object.keys(unprovoked))
})
