import { createServer } from 'node:net'

const loopback = '127.0.0.1'

/** Whether a port of the loopback address can be listened on now. */
export function portIsFree(port: number, host: string = loopback): Promise<boolean> {
  return listenOn(port, host).then(
    () => true,
    () => false,
  )
}

/** The preferred port if it is free, so that links stay good over a restart; else any free one. */
export async function choosePort(preferred: number | undefined, host: string = loopback): Promise<number> {
  if (preferred !== undefined && preferred !== 0 && (await portIsFree(preferred, host))) return preferred
  return listenOn(0, host)
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
