import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Snapshot } from '../domain/snapshot'
import { SluiceError } from '../errors'

/** The first line of the file; the second is the snapshot. */
interface Header {
  readonly format: 1
  /** When the server last confirmed the snapshot, ms since the epoch by its clock. */
  readonly confirmedAt: number
  readonly checksum: string
}

export interface KnownGood {
  readonly snapshot: Snapshot
  readonly confirmedAt: number
}

/**
 * The last snapshot on disk, in a file of this server and environment: what another installation serves is no start
 * value. A file is replaced as a whole by an atomic rename, so a reader sees the old or the new
 * one; a checksum tells a truncated or altered one.
 */
export class LastKnownGood {
  private readonly directory: string
  private readonly file: string
  private readonly environment: string
  private writing: Promise<void> | undefined
  private next: KnownGood | undefined
  private isSwept = false

  constructor(directory: string, environment: string, url: string) {
    this.directory = directory
    this.environment = environment
    this.file = join(directory, `sluice-${encodeURIComponent(environment)}-${shortHash(url)}.snapshot`)
  }

  /** Undefined: there is none. Throws `digest_mismatch` for a file that cannot be trusted. */
  async read(): Promise<KnownGood | undefined> {
    let text: string
    try {
      text = await readFile(this.file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new SluiceError('digest_mismatch', `${this.file} cannot be read: ${(error as Error).message}.`)
    }
    const end = text.indexOf('\n')
    const header = headerOf(text.slice(0, Math.max(end, 0)))
    const body = text.slice(end + 1)
    if (header === undefined || header.checksum !== checksumOf(body)) {
      throw new SluiceError('digest_mismatch', `${this.file} is truncated or altered; it is ignored.`)
    }
    const snapshot = JSON.parse(body) as Snapshot
    if (snapshot.specVersion !== 1 || snapshot.environment !== this.environment) {
      throw new SluiceError('digest_mismatch', `${this.file} is of another environment or form; it is ignored.`)
    }
    return { snapshot, confirmedAt: header.confirmedAt }
  }

  /** The newest of several waiting snapshots is written; one at a time. */
  write(known: KnownGood): Promise<void> {
    this.next = known
    this.writing ??= this.drain()
    return this.writing
  }

  /** A write that fails does not keep the newer content from being written: what counts is whether the last one did. */
  private async drain(): Promise<void> {
    let failure: unknown
    while (this.next) {
      const known = this.next
      this.next = undefined
      failure = await this.replace(known).then(
        () => undefined,
        (error: unknown) => error,
      )
    }
    this.writing = undefined
    if (failure !== undefined) throw failure
  }

  private async replace({ snapshot, confirmedAt }: KnownGood): Promise<void> {
    const body = JSON.stringify(snapshot)
    const header: Header = { format: 1, confirmedAt, checksum: checksumOf(body) }
    const temporary = `${this.file}.${randomUUID()}`
    await mkdir(this.directory, { recursive: true })
    if (!this.isSwept) await this.sweep()
    try {
      const handle = await open(temporary, 'w', 0o600)
      try {
        await handle.writeFile(`${JSON.stringify(header)}\n${body}`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, this.file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  /** Once a process: what processes left that died while they wrote. */
  private async sweep(): Promise<void> {
    this.isSwept = true
    const unfinished = `${basename(this.file)}.`
    for (const name of await readdir(this.directory)) {
      if (!name.startsWith(unfinished)) continue
      const path = join(this.directory, name)
      // Another process may finish, or sweep, it meanwhile.
      const writtenAt = await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => Number.POSITIVE_INFINITY,
      )
      if (Date.now() - writtenAt > leftOverMs) await rm(path, { force: true })
    }
  }
}

/** No write takes so long. */
const leftOverMs = 3_600_000

/** Between the clocks of two machines that both are right. */
const maxSkewMs = 1_000
/** In a file, whose times are numbers: longer ago than anything. */
const neverConfirmed = 0

/** How old the file is by a clock that nobody corrected yet; `Infinity` where that clock is behind, nobody knows how far. */
export function ageAt(now: number, { confirmedAt }: KnownGood): number {
  const ageMs = now - confirmedAt
  return ageMs < -maxSkewMs ? Number.POSITIVE_INFINITY : Math.max(0, ageMs)
}

/** What `ageAt` gives the age back of. */
export const confirmedAtOf = (now: number, ageMs: number): number =>
  Number.isFinite(ageMs) ? now - ageMs : neverConfirmed

const shortHash = (url: string): string => checksumOf(url.replace(/\/+$/, '')).slice(0, 12)

const checksumOf = (text: string): string => createHash('sha256').update(text).digest('hex')

function headerOf(line: string): Header | undefined {
  try {
    const header = JSON.parse(line) as Header
    return header.format === 1 && Number.isFinite(header.confirmedAt) ? header : undefined
  } catch {
    return undefined
  }
}
