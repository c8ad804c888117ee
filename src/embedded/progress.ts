/** Takes one line for a person who waits; never parsed. */
export type Progress = (line: string) => void

export const silent: Progress = () => undefined

/** Lines on standard error, so that a program's own output stays clean. */
export const onTerminal: Progress = (line) => {
  process.stderr.write(`${line}\n`)
}

const beatMs = 15_000

/** Tells every 15 seconds that `work` still goes on, so that minutes of silence are not taken for a hang. */
export async function withHeartbeat<T>(progress: Progress, what: string, work: Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const beat = setInterval(
    () => progress(`${what} (${Math.round((performance.now() - startedAt) / 1000)} s so far)`),
    beatMs,
  )
  try {
    return await work
  } finally {
    clearInterval(beat)
  }
}
