import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type EmbeddedServer, embeddedServer } from './embedded-server'
import { type ManagedProcess, startProcess } from './managed-process'
import type { Provisioned } from './provision'
import { untilReady } from './readiness'
import { prepareTemporal, searchAttributeNames } from './temporal-client'

const readyMs = 60_000

export interface TemporalOptions {
  readonly program: Provisioned
  /** The instance's folder; the data lie in `temporal/` below it. */
  readonly folder: string
  readonly port: number
  readonly uiPort: number
  readonly namespace: string
}

/** Temporal's development server with its UI, its history kept in a SQLite file. */
export function startTemporal(options: TemporalOptions): Promise<EmbeddedServer> {
  return embeddedServer(() => start(options))
}

async function start({ program, folder, port, uiPort, namespace }: TemporalOptions): Promise<ManagedProcess> {
  const data = join(folder, 'temporal')
  mkdirSync(data, { recursive: true })
  const server = await startProcess({
    name: 'temporal',
    command: program.path,
    args: [
      ...['server', 'start-dev', '--db-filename', join(data, 'temporal.db'), '--namespace', namespace],
      ...['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`, '--log-level', 'warn'],
      ...searchAttributeNames.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    folder,
    marker: data,
  })
  try {
    await untilReady(server, readyMs, () => prepareTemporal(`127.0.0.1:${port}`, namespace))
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Throws away the history of an instance. */
export function removeTemporalData(folder: string): void {
  rmSync(join(folder, 'temporal'), { recursive: true, force: true })
}
