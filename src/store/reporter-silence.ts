/** As long as reporters may be quiet before they count as silent. */
const graceMs = 60_000
/** Longer between two readings: this process or the database was away. */
const breakMs = 15_000

/**
 * `ask` says whether the reporters of an environment are silent. While the database is away nobody can report, and on its return
 * all look silent for a moment: silence is believed by a process that has read for a minute without a break, since within
 * that minute every application would have been heard. Silence may ask for a rollback; nobody's absence but the applications' may.
 */
export function believedSilence(
  ask: (environment: string) => Promise<boolean>,
  now: () => number = () => performance.now(),
): (environment: string) => Promise<boolean> {
  let since = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  return async (environment) => {
    const isSilent = await ask(environment)
    const at = now()
    if (at - last > breakMs) since = at
    last = at
    return isSilent && at - since >= graceMs
  }
}
