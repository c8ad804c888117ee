import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '../errors'
import { acquireLock, type Lock } from './lock'

const loopback = '127.0.0.1'
const attempts = 20

/** A port that is kept for a server which will listen on it in a moment. */
export interface ReservedPort {
  readonly port: number
  /** Call it when the server listens, or will not. */
  release(): void
}

/**
 * The preferred port if it is free, so that links stay good over a restart; else any free one. Between choosing a port
 * and listening on it another checkout could choose the same, so it is locked until then.
 */
export async function reservePort(preferred: number | undefined, host: string = loopback): Promise<ReservedPort> {
  let why = ''
  for (let attempt = 0; attempt < attempts; attempt++) {
    const wanted = attempt === 0 ? (preferred ?? 0) : 0
    const lock = wanted === 0 ? undefined : await tryLock(wanted)
    if (wanted !== 0 && lock === undefined) continue
    const port = await listenOn(wanted, host).catch((error: Error) => {
      why = ` The last one: ${error.message}.`
    })
    const held = lock ?? (port === undefined ? undefined : await tryLock(port))
    if (port !== undefined && held !== undefined) return { port, release: () => held.release() }
    held?.release()
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

function listenOn(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      const chosen = typeof address === 'object' && address !== null ? address.port : port
      server.close(() => resolve(chosen))
    })
  })
}
