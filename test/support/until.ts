const pollMs = 50

/** Resolves when the fact holds; looks again and again, and says what was awaited when it never does. */
export async function until(what: string, fact: () => Promise<boolean>, withinMs = 60_000): Promise<void> {
  const from = performance.now()
  for (;;) {
    // Told before the look, so that a process that was held up in between looks once more.
    const isOver = performance.now() - from > withinMs
    if (await fact()) return
    if (isOver) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
