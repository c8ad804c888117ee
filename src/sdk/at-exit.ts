interface Flushed {
  /** Tells of a failure by itself, and never rejects. */
  flushLast(): Promise<void>
}

/** Of clients that run; a process may hold many, one for each environment or key. */
const clients = new Set<Flushed>()

/** Sends what the client holds when the process runs out of work, once. One listener stands for all clients. */
export function flushAtExit(client: Flushed): void {
  if (clients.size === 0) process.on('beforeExit', flushAll)
  clients.add(client)
}

export function forgetAtExit(client: Flushed): void {
  if (clients.delete(client) && clients.size === 0) process.off('beforeExit', flushAll)
}

function flushAll(): void {
  const leaving = [...clients]
  for (const client of leaving) {
    // Sending is work, after which the process runs out of it again: each client has one try.
    forgetAtExit(client)
    void client.flushLast()
  }
}
