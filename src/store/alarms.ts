import { judgeBreakers } from '../domain/breaker'
import { type LaneState, laneName } from '../domain/lane'
import type { Policy } from '../domain/policy'
import type { TelemetryReader } from './telemetry-reader'

const hourMs = 3_600_000

/**
 * The policy's breakers, asked of what serves now: one that fires before the start would fire on the candidate too,
 * whatever it does, or hide in the noise what it does. Budgets count by the hour alone: an incumbent has no release.
 */
export async function firingAlarms(
  read: Pick<TelemetryReader, 'window' | 'spend'>,
  { breakers }: Pick<Policy, 'breakers'>,
  lanes: readonly LaneState[],
): Promise<readonly string[]> {
  const found = await Promise.all(lanes.map((lane) => firingIn(read, breakers, lane)))
  return found.flat()
}

async function firingIn(
  read: Pick<TelemetryReader, 'window' | 'spend'>,
  breakers: Policy['breakers'],
  lane: LaneState,
): Promise<readonly string[]> {
  const { environment, task, incumbent } = lane
  if (incumbent === undefined) return []
  const place = { environment, task, composite: incumbent }
  const hourly = breakers.some((breaker) => breaker.kind === 'budget' && breaker.usdPerHour !== undefined)
  const [lastHourUsd, ...windows] = await Promise.all([
    hourly ? read.spend({ ...place, sinceMs: hourMs }) : 0,
    ...breakers.flatMap((breaker) =>
      breaker.kind === 'errors' ? [read.window({ ...place, windowMs: breaker.windowMs, events: breaker.events })] : [],
    ),
  ])
  return judgeBreakers(breakers, windows, { releaseUsd: 0, lastHourUsd }, 'incumbent')
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ name, text }) => `${name} in ${laneName(lane)}: ${text}`)
}
