import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '../errors'
import { tailOf } from './files'
import type { ManagedProcess } from './managed-process'

const pollMs = 100

/**
 * Asks again and again until `ask` does not throw. Fails as soon as the process has ended, or when the bound is over,
 * with the end of its log.
 */
export async function untilReady<T>(server: ManagedProcess, boundMs: number, ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + boundMs
  let reason = 'it was never asked'
  while (performance.now() < deadline && server.running()) {
    try {
      return await ask()
    } catch (error) {
      reason = (error as Error).message
    }
    await pause(pollMs)
  }
  const what = server.running() ? `is not ready within ${boundMs / 1000} s (${reason})` : 'ended while it started'
  throw new SluiceError(
    'provision_failed',
    `${server.name} ${what}. The end of ${server.log}:\n${tailOf(server.log)}`,
    { process: server.name, log: server.log },
  )
}
