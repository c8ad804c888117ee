import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import { readConfig } from '../../src/config'
import { reservePort } from '../../src/embedded/ports'
import { provisionTestServer } from '../../src/embedded/test-server'

/** Temporal's test server, whose clock jumps to the next timer whenever nothing runs. */
export interface SkippingServer {
  readonly client: Client
  readonly native: NativeConnection
  stop(): Promise<void>
}

/** A virtual machine on a busy machine; the SDK's own way to start it gives up after five seconds. */
const startTimeout = '60s'

export async function skippingServer(): Promise<SkippingServer> {
  const program = await provisionTestServer(readConfig(), () => undefined)
  const { port, release } = await reservePort(undefined)
  const server = spawn(program, [`${port}`, '--enable-time-skipping'], { stdio: 'ignore' })
  try {
    const address = `127.0.0.1:${port}`
    const connection = await Connection.connect({ address, connectTimeout: startTimeout })
    const native = await NativeConnection.connect({ address })
    const stop = async (): Promise<void> => {
      await native.close()
      await connection.close()
      await ended(server)
    }
    return { client: new Client({ connection }), native, stop }
  } catch (error) {
    await ended(server)
    throw error
  } finally {
    release()
  }
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exit = once(server, 'exit')
  server.kill('SIGKILL')
  await exit
}
