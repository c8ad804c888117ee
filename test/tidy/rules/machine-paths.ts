import { homedir, hostname } from 'node:os'
import { resolve } from 'node:path'
import { type Finding, findAll, type Rule, type SourceFile } from '../source'

/** Places of somebody's machine: home folders, private networks, folders above the repository, frames of a recorded stack. */
const somewhere =
  /(?<![\w.-])\/(root|home\/[a-z][\w-]*|Users\/[A-Za-z][\w-]*)\/|\b(10\.\d{1,3}|192\.168|172\.(1[6-9]|2\d|3[01]))(\.\d{1,3}){2}\b|\b[\w-]+\.(internal|corp|lan)\b|(?<![\w/])\.\.\/shared\/|\(\/[^()\s]+:\d+:\d+\)/g

/** What this machine calls itself and where this checkout stands; short names would match by chance. */
const here: readonly string[] = [homedir(), hostname(), resolve(__dirname, '../../..')].filter(
  (name) => name.length > 5,
)

/** The repository works anywhere, so it names no path and no host of the machine that it was written on. */
export const machinePaths: Rule = {
  name: 'machine-paths',
  check: (files) => files.filter(({ path }) => !path.startsWith('test/tidy/')).flatMap(checkFile),
}

function checkFile(file: SourceFile): Finding[] {
  const general = findAll(file, somewhere, (match) => `names ${match}, a place of one machine: take it as a setting`)
  const special = here
    .filter((name) => file.text.includes(name))
    .map((name) => ({ path: file.path, line: 1, message: `names ${name}, which is this machine` }))
  return [...general, ...special]
}
