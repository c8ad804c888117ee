import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isLabel, parseRef } from '../domain/ref'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { nameSchema, parseDraft, withReferences } from '../kinds/kind'
import { canonicalJson } from '../store/canonical'
import { hashRows } from './local-rows'
import { readArtifact, type WorkspaceArtifact } from './workspace-artifact'
import { fileEndings } from './workspace-file'
import { draftText, type FileText, stemOf, type WorkspaceDraft } from './workspace-text'

/** A file that a folder is to have. */
export interface FolderFile {
  /** Relative to the folder, with slashes. */
  readonly file: string
  /** The file that says the same already, under this name or another; absent where there is none. */
  standing(directory: string): Promise<string | undefined>
  /** Files in whose place this one comes. */
  replaces(directory: string): readonly string[]
  /** Writes the whole of it to a path that nobody reads yet. */
  write(path: string): Promise<void> | void
}

export interface WrittenFile {
  readonly file: string
  readonly outcome: 'new' | 'replaced' | 'unchanged'
}

const maxListed = 20

/**
 * Brings the files into the folder. A file that says something else is never touched without `force`: throws
 * `file_differs` naming all of them, and then nothing was written. Each file is there whole or not at all.
 */
export async function writeFolder(
  directory: string,
  files: readonly FolderFile[],
  { force }: { readonly force: boolean },
): Promise<readonly WrittenFile[]> {
  const kept = new Map<FolderFile, string>()
  const differing: string[] = []
  for (const file of files) {
    const same = await file.standing(directory)
    if (same !== undefined) kept.set(file, same)
    else differing.push(...file.replaces(directory))
  }
  if (differing.length > 0 && !force) throw filesDiffer(differing)
  const written: WrittenFile[] = []
  for (const file of files) {
    const same = kept.get(file)
    if (same === undefined) written.push(await writeWhole(directory, file))
    else written.push({ file: same, outcome: 'unchanged' })
  }
  return written
}

function filesDiffer(files: readonly string[]): SluiceError {
  const more = files.length > maxListed ? `, and ${files.length - maxListed} more` : ''
  const text = `${files.slice(0, maxListed).join(', ')}${more}: other content stands there, and was left as it is.`
  return new SluiceError('file_differs', text, { files: files.slice(0, maxListed) })
}

async function writeWhole(directory: string, file: FolderFile): Promise<WrittenFile> {
  const replaced = file.replaces(directory)
  const path = join(directory, file.file)
  const part = join(dirname(path), `.${basename(path)}.part`)
  mkdirSync(dirname(path), { recursive: true })
  try {
    await file.write(part)
    renameSync(part, path)
  } finally {
    rmSync(part, { force: true })
  }
  for (const other of replaced) if (other !== file.file) rmSync(join(directory, other))
  return { file: file.file, outcome: replaced.length > 0 ? 'replaced' : 'new' }
}

/** A file that is its text. */
export function textFile(file: string, text: string): FolderFile {
  return {
    file,
    async standing(directory) {
      const path = join(directory, file)
      return isFile(path) && readFileSync(path, 'utf8') === text ? file : undefined
    },
    replaces: (directory) => (existsSync(join(directory, file)) ? [file] : []),
    write: (path) => writeFileSync(path, text),
  }
}

/** The file of a version. A file that was written by hand says the same when it reads as the same version. */
export function draftFile(draft: WorkspaceDraft): FolderFile {
  requirePath(draft)
  const stem = stemOf(draft)
  const { ending, text }: FileText = draftText(draft)
  const named = (directory: string) =>
    fileEndings.map((other) => `${stem}${other}`).filter((file) => existsSync(join(directory, file)))
  return {
    file: `${stem}${ending}`,
    async standing(directory) {
      const [only, ...more] = named(directory)
      if (only === undefined || more.length > 0) return undefined
      const path = join(directory, only)
      if (only === `${stem}${ending}` && isFile(path) && readFileSync(path, 'utf8') === text) return only
      return (await saysTheSame(directory, only, draft)) ? only : undefined
    },
    replaces: named,
    write: (path) => writeFileSync(path, text),
  }
}

/** Rows beside the file of a dataset; in any order they are the same rows. */
export function rowsFile(draft: WorkspaceDraft, root: Digest, write: (path: string) => Promise<void>): FolderFile {
  requirePath(draft)
  const file = `${stemOf(draft)}.jsonl`
  return {
    file,
    async standing(directory) {
      const path = join(directory, file)
      if (!isFile(path)) return undefined
      try {
        return (await hashRows({ path, file })).root === root ? file : undefined
      } catch (error) {
        if (error instanceof SluiceError) return undefined
        throw error
      }
    },
    replaces: (directory) => (existsSync(join(directory, file)) ? [file] : []),
    write,
  }
}

const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile()

/** Names become paths, so they are checked whoever gave them. */
function requirePath({ name, semver }: WorkspaceDraft): void {
  if (nameSchema.safeParse(name).success && isLabel(semver)) return
  throw new SluiceError('invalid_content', `${name}@${semver} is no name and semver that a file can have.`)
}

async function saysTheSame(directory: string, file: string, draft: WorkspaceDraft): Promise<boolean> {
  const { kind, name, semver } = draft
  const rowsPath = join(directory, `${stemOf(draft)}.jsonl`)
  const place = { path: join(directory, file), file, kind, name, semver }
  try {
    const found = await readArtifact({ ...place, ...(existsSync(rowsPath) ? { rowsPath } : {}) })
    return canonicalJson(meaningOf(found)) === canonicalJson(meaningOf(asRead(draft)))
  } catch (error) {
    if (error instanceof SluiceError) return false
    throw error
  }
}

type Read = Pick<WorkspaceArtifact, 'kind' | 'description' | 'parents' | 'provenance' | 'content'>

/** A draft as reading its own file would give it. */
function asRead({ kind, description, author, parents, provenance, content }: WorkspaceDraft): Read {
  const written = author === undefined ? provenance : { ...provenance, author }
  return {
    kind,
    description,
    ...(parents === undefined ? {} : { parents }),
    ...(written === undefined ? {} : { provenance: written }),
    content: content === undefined || kind === 'dataset' ? content : parseDraft(kindOf(kind), content, kind),
  }
}

/** What registering it would say of a version: with references in full. */
function meaningOf({ kind, description, parents = [], content }: Read): unknown {
  const references = content === undefined ? [] : kindOf(kind).references(content)
  const full = references.map(({ path, kind: target, ref }) => ({ path, ref: fullRef(ref, target) }))
  return {
    description: description.trim(),
    parents,
    ...(content === undefined ? {} : { content: withReferences(content, full) }),
  }
}

function fullRef(text: string, implied: Parameters<typeof parseRef>[1]): string {
  if (text.startsWith('sha256:')) return text
  const { kind, name, version } = parseRef(text, implied)
  return `${kind}/${name}@${version}`
}
