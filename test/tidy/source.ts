import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A text file of the repository. `path` is relative to its root, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** A place that breaks a rule. `line` starts at 1. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

/** One rule of the house: pure over the files of a tree. */
export interface Rule {
  readonly name: string
  check(files: readonly SourceFile[]): readonly Finding[]
}

const skippedFolders = new Set(['node_modules', 'dist', 'coverage', '.git', '.sluice', 'tidy-fixtures'])
const textEndings = /\.(ts|tsx|js|mjs|cjs|json|md|yaml|yml|css|html|sh|prompt|toml)$/
/** Named, so that links to them resolve, but not read. */
const listedEndings = /\.(png|jpg|svg|jsonl)$/
const namedTexts = /^(Dockerfile|LICENSE|run|\.npmrc|\.gitignore|\.dockerignore)$/
/** Files above this size are data; they are listed with an empty text. */
const maxTextBytes = 2 * 1024 * 1024

/** Every text file below `root` in path order; what tools generate is left out. */
export function readTree(root: string): readonly SourceFile[] {
  const files: SourceFile[] = []
  collect(root, '', files)
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function collect(root: string, folder: string, files: SourceFile[]): void {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name)) collect(root, path, files)
    } else if (isListed(entry.name)) {
      files.push({ path, text: textOf(root, path) })
    }
  }
}

const isListed = (name: string): boolean => [textEndings, listedEndings, namedTexts].some((names) => names.test(name))

function textOf(root: string, path: string): string {
  if (listedEndings.test(path)) return ''
  const place = join(root, path)
  return statSync(place).size > maxTextBytes ? '' : readFileSync(place, 'utf8')
}

export const isCode = (path: string): boolean => /\.(ts|tsx)$/.test(path) && !path.endsWith('.d.ts')

export const isTest = (path: string): boolean => path.startsWith('test/')

/** The line, from 1, of a character offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

/** Every match of a global pattern as a finding. */
export function findAll(file: SourceFile, pattern: RegExp, message: (match: string) => string): Finding[] {
  return [...file.text.matchAll(pattern)].map((match) => ({
    path: file.path,
    line: lineAt(file.text, match.index),
    message: message(match[0]),
  }))
}
