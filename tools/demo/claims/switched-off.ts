import type { Claim } from './claim'

/** From the entry until the last application has heard of it. */
const longestMs = 2_000

export const switchedOff: Claim = {
  text: 'While the task was disabled nothing was served, and every conversation got its version back',
  check({ entries, rows, skips, conversations }) {
    const off = entries.find(({ cause }) => cause === 'disable')
    const on = entries.find(({ cause }) => cause === 'enable')
    if (off === undefined || on === undefined)
      return { figures: 'it never was', faults: ['the task was never disabled'] }
    const after = rows.filter(({ resolvedAt }) => resolvedAt > off.at && resolvedAt < on.at)
    const late = after.filter(({ resolvedAt }) => resolvedAt > off.at + longestMs)
    const faults = late.map(
      ({ requestId, resolvedAt }) => `${requestId} began ${Math.round(resolvedAt - off.at)} ms after`,
    )
    const interrupted = new Set(skips.map(({ tenant, conversation }) => `${tenant}/${conversation}`))
    const resumed = [...interrupted].filter((name) =>
      (conversations.get(name) ?? []).some((row) => row.headSeq >= on.seq),
    )
    if (interrupted.size === 0) faults.push('no conversation met the disabled task, so nothing was shown')
    for (const { skip } of skips) if (skip !== 'disabled') faults.push(`a request was skipped as ${skip}`)
    const lastMs = after.reduce((latest, { resolvedAt }) => Math.max(latest, resolvedAt - off.at), 0)
    const lastText =
      after.length === 0
        ? 'no request began after the entry'
        : `the last request began ${Math.round(lastMs)} ms after the entry`
    const figures = `${skips.length} requests of ${interrupted.size} conversations skipped, ${resumed.length} went on afterwards; ${lastText}`
    return { figures, faults }
  },
}
