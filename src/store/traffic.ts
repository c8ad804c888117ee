import type { Telemetry } from './telemetry'

/** Traffic of a lane, per hour. */
export interface TrafficRate {
  readonly requestsPerHour: number
  readonly conversationsPerHour: number
  readonly costUsdPerHour: number
}

const sample = 1_000
const hourMs = 3_600_000
const leastSample = 10

/** Estimated from the newest requests of the lane, at most a thousand; undefined where there are hardly any. */
export async function trafficOf(
  telemetry: Pick<Telemetry, 'requests'>,
  environment: string,
  task: string,
): Promise<TrafficRate | undefined> {
  const newest = await telemetry.requests.newest({ environment, task }, sample)
  if (newest.length < leastSample) return undefined
  const times = newest.map(({ at }) => at)
  const hours = Math.max(1_000, Math.max(...times) - Math.min(...times)) / hourMs
  const conversations = new Set(newest.map(({ tenant, conversation }) => `${tenant}\0${conversation}`))
  return {
    requestsPerHour: newest.length / hours,
    conversationsPerHour: conversations.size / hours,
    costUsdPerHour: newest.reduce((sum, { costUsd }) => sum + costUsd, 0) / hours,
  }
}
