import { judgeBreakers } from '../domain/breaker'
import { type LaneState, laneName } from '../domain/lane'
import type { Policy } from '../domain/policy'
import { placeholdersIn } from '../domain/probe'
import { brokenLimit } from '../domain/probe-guardrail'
import type { Endpoints } from '../engines/engine'
import { askProbe } from './probe-asking'
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

/** What the probes say of what serves now: the alarms that fire, and who could not be asked. */
export interface ProbedAlarms {
  readonly firing: readonly string[]
  readonly unknown: readonly string[]
}

/**
 * The policy's probes, asked of the incumbent in the candidate's place. One that names the release has nothing to ask
 * about yet. A provider that is down stops nobody here: the watch will say so, by the policy's answer to it.
 */
export async function probedAlarms(
  { probes = [] }: Pick<Policy, 'probes'>,
  lane: LaneState,
  endpoints: Endpoints,
): Promise<ProbedAlarms> {
  const { environment, task, incumbent } = lane
  if (incumbent === undefined) return { firing: [], unknown: [] }
  const place = { task, environment, candidate: incumbent, incumbent }
  const answers = await Promise.all(
    probes
      .filter(({ query }) => !placeholdersIn(query).includes('release'))
      .map(async (probe) => {
        const answer = await askProbe(probe, place, endpoints)
        const name = `probe:${probe.name} in ${laneName(lane)}`
        if (!('value' in answer)) return { unknown: `${name} is not known: ${answer.text}` }
        const broken = brokenLimit(answer.value, probe)
        return broken === undefined ? {} : { firing: `${name}: ${broken}` }
      }),
  )
  return {
    firing: answers.flatMap(({ firing }) => firing ?? []),
    unknown: answers.flatMap(({ unknown }) => unknown ?? []),
  }
}
