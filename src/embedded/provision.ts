import { stat } from 'node:fs/promises'
import { SluiceError } from '../errors'
import { type CachedProgram, cacheEntry, sweepDrafts } from './cache'
import { type Progress, withHeartbeat } from './progress'

/** One way to get a tool. */
export interface Source {
  readonly name: string
  /** Puts the tool's files into the folder and gives the program's path in it. Throws with the reason it cannot. */
  readonly fetch: (folder: string, progress: Progress) => Promise<string>
}

export interface Tool {
  /** For people: `MongoDB`. */
  readonly title: string
  /** The cache entry's name, with the version where sources agree on one. */
  readonly name: string
  /** A program that is installed on this machine and fits; throws with the reason there is none. */
  readonly system?: () => Promise<string>
  /** Tried in this order. */
  readonly sources: readonly Source[]
  /** Runs the program and says in words which version it is; throws if it does not run here or is too old. */
  readonly check: (path: string) => Promise<string>
  /** What a person can do by hand. */
  readonly install: string
}

export interface Provisioned {
  readonly path: string
  readonly source: string
  readonly version: string
}

export interface Attempt {
  readonly source: string
  readonly reason: string
}

export interface ProvisionOptions {
  readonly cacheFolder: string
  readonly progress: Progress
}

/**
 * Cache, then the machine, then each source. Throws `provision_failed` with every attempt and its reason in
 * `details.attempts`.
 */
export async function provision(tool: Tool, options: ProvisionOptions): Promise<Provisioned> {
  const say: Progress = (line) => options.progress(`${tool.title}: ${line}`)
  const attempts: Attempt[] = []
  const entry = cacheEntry(options.cacheFolder, tool.name)
  const cached = (await fromCache(tool, entry.find, attempts)) ?? (await fromSystem(tool, attempts))
  if (cached !== undefined) return cached
  const lock = await entry.lock(say)
  try {
    // Whoever held the lock before may have installed it meanwhile.
    const installed = await fromCache(tool, entry.find, [])
    if (installed !== undefined) return installed
    await sweepDrafts(options.cacheFolder, isOld)
    for (const source of tool.sources) {
      say(`trying ${source.name}`)
      try {
        const work = entry.install(source.name, async (folder) => source.fetch(folder, say))
        const { path } = await withHeartbeat(say, `still at it with ${source.name}`, work)
        const version = await tool.check(path)
        say(`${version}, from ${source.name}`)
        return { path, source: source.name, version }
      } catch (error) {
        const reason = reasonOf(error)
        attempts.push({ source: source.name, reason })
        say(`not from ${source.name}: ${reason}`)
      }
    }
  } finally {
    lock.release()
  }
  throw failure(tool, attempts)
}

async function fromCache(
  tool: Tool,
  find: () => Promise<CachedProgram | undefined>,
  attempts: Attempt[],
): Promise<Provisioned | undefined> {
  const found = await find()
  if (found === undefined) return undefined
  try {
    return { ...found, version: await tool.check(found.path) }
  } catch (error) {
    attempts.push({ source: `the cached ${found.source}`, reason: reasonOf(error) })
    return undefined
  }
}

async function fromSystem(tool: Tool, attempts: Attempt[]): Promise<Provisioned | undefined> {
  if (tool.system === undefined) return undefined
  try {
    const path = await tool.system()
    return { path, source: 'this machine', version: await tool.check(path) }
  } catch (error) {
    attempts.push({ source: 'this machine', reason: reasonOf(error) })
    return undefined
  }
}

const dayMs = 86_400_000

async function isOld(path: string): Promise<boolean> {
  const { mtimeMs } = await stat(path)
  return Date.now() - mtimeMs > dayMs
}

/** Whether a `major.minor` is no older than another. */
export function isAtLeast(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function failure(tool: Tool, attempts: readonly Attempt[]): SluiceError {
  const tried = attempts.map(({ source, reason }) => `  - ${source}: ${reason}`).join('\n')
  return new SluiceError(
    'provision_failed',
    `${tool.title} cannot be had. Tried:\n${tried}\nWhat to do: ${tool.install}`,
    { tool: tool.name, attempts, install: tool.install },
  )
}
