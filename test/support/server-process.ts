import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { childEnvironment } from '../../src/config'
import type { Servers } from './fault-ground'

export interface ServerProcess {
  readonly url: string
  /** SIGKILL. */
  kill(): Promise<void>
}

/** The API server as its own process, with its loops (reconciler, dispatcher). */
export async function startServerProcess(servers: Servers, database: string): Promise<ServerProcess> {
  const environment = childEnvironment({
    MONGODB_URI: servers.mongodbUri,
    TEMPORAL_ADDRESS: servers.temporalAddress,
    SLUICE_DATABASE: database,
    SLUICE_PORT: '0',
    SLUICE_LOG_LEVEL: 'error',
  })
  const script = join(__dirname, '../../dist/src/server.js')
  const server = spawn(process.execPath, [script], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: server.stdout }).once('line', (line) => resolve((JSON.parse(line) as { url: string }).url))
  })
  return {
    url,
    async kill() {
      server.kill('SIGKILL')
      await gone
    },
  }
}
