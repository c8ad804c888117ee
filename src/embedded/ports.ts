import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '../errors'
import { acquireLock, type Lock } from './lock'

const loopback = '127.0.0.1'
const attempts = 20
/**
 * Below what systems hand out by themselves (from 32768 on Linux, from 49152 elsewhere; RFC 6335 counts the latter): while a
 * server is down between two starts, nobody is given its port for a connection or because any would do.
 */
const range = { from: 20_000, below: 32_000 }

/** A port that is kept for a server which will listen on it in a moment. */
export interface ReservedPort {
  readonly port: number
  /** Call it when the server listens, or will not. */
  release(): void
}

/**
 * The preferred port if it is free, so that links stay good over a restart; else a free one by chance. Between choosing a
 * port and listening on it another checkout could choose the same, so it is locked until then.
 */
export async function reservePort(preferred: number | undefined, host: string = loopback): Promise<ReservedPort> {
  let why = ''
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = attempt === 0 && preferred ? preferred : randomInt(range.from, range.below)
    const lock = await tryLock(port)
    if (lock === undefined) continue
    try {
      await listenOn(port, host)
      return { port, release: () => lock.release() }
    } catch (error) {
      why = ` The last one: ${(error as Error).message}.`
      lock.release()
    }
  }
  throw new SluiceError('provision_failed', `No free port on ${host} was found in ${attempts} attempts.${why}`)
}

/** Whether a port can be listened on now. */
export function portIsFree(port: number, host: string = loopback): Promise<boolean> {
  return listenOn(port, host).then(
    () => true,
    () => false,
  )
}

async function tryLock(port: number): Promise<Lock | undefined> {
  const path = join(tmpdir(), `sluice-ports-${userInfo().uid}`, `${port}`)
  try {
    return await acquireLock(path, { purpose: `it is about to listen on port ${port}` })
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'instance_running') return undefined
    throw error
  }
}

/** Resolves when it could be listened on, and is not any more. */
function listenOn(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, host, () => server.close(() => resolve()))
  })
}
