import { condition, proxyActivities, sleep } from '@temporalio/workflow'

export { release } from '../workflows/release'

export interface BareActivities {
  work(): Promise<void>
}

/** What a history holds, whatever wrote it. */
export interface Shape {
  readonly activities: number
  /** Timers that were started and cancelled, each around an activity. */
  readonly deadlines: number
  /** Timers that were waited for. */
  readonly bakes: number
}

export interface BareInput extends Shape {
  readonly bakeMs: number
}

const { work } = proxyActivities<BareActivities>({ startToCloseTimeout: '10s' })
const deadlineMs = 60_000

/**
 * As many activities and timers one after another, without a decision, a state or anything that people could see. One
 * activity runs beside the others, as the safety clock does.
 */
export async function bareRelease({ activities, deadlines, bakes, bakeMs }: BareInput): Promise<void> {
  const beside = work()
  for (let index = 1; index < activities; index++) {
    if (index <= deadlines) await workInTime()
    else await work()
  }
  for (let index = 0; index < bakes; index++) await sleep(bakeMs)
  await beside
}

async function workInTime(): Promise<void> {
  let done = false
  const working = work().then(() => {
    done = true
  })
  await condition(() => done, deadlineMs)
  await working
}
