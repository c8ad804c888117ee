import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readJson, writeAtomically } from './files'
import { acquireLock, type Lock } from './lock'
import type { Progress } from './progress'

/** What a cache entry holds; written last, so an entry without it is not an entry. */
interface Manifest {
  readonly source: string
  /** The program, relative to the entry. */
  readonly entry: string
  /** SHA-256 in hex of every file, by path relative to the entry. */
  readonly files: Readonly<Record<string, string>>
}

export interface CachedProgram {
  readonly path: string
  readonly source: string
}

/** One provisioned tool below the cache folder, for this platform. */
export interface CacheEntry {
  readonly folder: string
  /** The program if the entry is whole: every file is there and has the checksum it was installed with. */
  find(): Promise<CachedProgram | undefined>
  /** Fills a temporary folder, then puts it in place by one rename. `fill` gives the program's relative path. */
  install(source: string, fill: (folder: string) => Promise<string>): Promise<CachedProgram>
  /** Held while a tool is provisioned, so that two checkouts do not fetch it twice. */
  lock(progress: Progress): Promise<Lock>
}

const manifestName = 'manifest.json'
const lockWaitMs = 20 * 60_000

export function cacheEntry(cacheFolder: string, name: string): CacheEntry {
  const shelf = join(cacheFolder, `${process.platform}-${process.arch}`)
  const folder = join(shelf, name)
  return {
    folder,
    find: () => find(folder),
    install: (source, fill) => install(shelf, folder, source, fill),
    lock: (progress) =>
      acquireLock(join(shelf, `${name}.lock`), {
        purpose: `it provisions ${name}`,
        waitMs: lockWaitMs,
        onWait: (holder) => progress(`${name}: waiting for process ${holder.pid}, which provisions it`),
      }),
  }
}

async function find(folder: string): Promise<CachedProgram | undefined> {
  const manifest = readJson(join(folder, manifestName))
  if (!isManifest(manifest)) return undefined
  for (const [name, expected] of Object.entries(manifest.files)) {
    if ((await sha256(join(folder, name))) !== expected) return undefined
  }
  return { path: join(folder, manifest.entry), source: manifest.source }
}

async function install(
  shelf: string,
  folder: string,
  source: string,
  fill: (folder: string) => Promise<string>,
): Promise<CachedProgram> {
  const draft = join(shelf, `.draft-${randomUUID()}`)
  await mkdir(draft, { recursive: true })
  try {
    const entry = await fill(draft)
    const files = await checksums(draft)
    writeAtomically(
      join(draft, manifestName),
      JSON.stringify({ source, entry, files } satisfies Manifest, undefined, 1),
    )
    await rm(folder, { recursive: true, force: true })
    await rename(draft, folder)
    return { path: join(folder, entry), source }
  } finally {
    // Go's module cache and unpacked archives may hold read-only folders; `force` and retries cover them.
    await rm(draft, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Drafts of runs that were killed; only called under the entry's lock and only for drafts older than a day. */
export async function sweepDrafts(cacheFolder: string, isOld: (path: string) => Promise<boolean>): Promise<void> {
  const shelf = join(cacheFolder, `${process.platform}-${process.arch}`)
  for (const name of await readdir(shelf)) {
    const path = join(shelf, name)
    if (name.startsWith('.draft-') && (await isOld(path))) await rm(path, { recursive: true, force: true })
  }
}

async function checksums(folder: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {}
  for (const item of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue
    const path = join(item.parentPath, item.name)
    const sum = await sha256(path)
    if (sum !== undefined) sums[relative(folder, path)] = sum
  }
  return sums
}

/** SHA-256 in hex of a file; absent when it cannot be read. */
export async function sha256(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  } catch {
    return undefined
  }
  return hash.digest('hex')
}

function isManifest(value: unknown): value is Manifest {
  const manifest = value as Partial<Manifest> | undefined
  return (
    typeof manifest?.entry === 'string' && typeof manifest.source === 'string' && typeof manifest.files === 'object'
  )
}
