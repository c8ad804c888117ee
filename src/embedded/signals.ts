const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** npm passes a Ctrl-C on a second time; what comes this soon is the same one. */
const echoMs = 1500

/**
 * Resolves with the first signal to stop. A later one, when a person has lost patience, ends the process at once; what
 * it started ends by itself then.
 */
export function untilToldToStop(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    for (const signal of signals) {
      process.on(signal, () => {
        if (firstAt === undefined) {
          firstAt = performance.now()
          resolve(signal)
        } else if (performance.now() - firstAt > echoMs) process.exit(130)
      })
    }
  })
}
