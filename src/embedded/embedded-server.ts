import type { ManagedProcess } from './managed-process'

/** A server that this process runs. It keeps its address over `kill` and `restart`. */
export interface EmbeddedServer {
  readonly process: ManagedProcess
  /** SIGKILL, as a crash would; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same data and port; resolves when it is ready. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** `start` runs the program and resolves when it is ready. */
export async function embeddedServer(start: () => Promise<ManagedProcess>): Promise<EmbeddedServer> {
  let current = await start()
  const kill = async (): Promise<void> => {
    current.signal('SIGKILL')
    await current.exited
  }
  return {
    get process() {
      return current
    },
    kill,
    async restart() {
      if (current.running()) await kill()
      current = await start()
    },
    stop: () => current.stop(),
  }
}
