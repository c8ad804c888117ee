import { timesOf } from '../times'
import type { Claim } from './claim'

/** From the rollback's entry until the last application has heard of it. */
const longestMs = 2_000

export const promptness: Claim = {
  text: `After a rollback the applications serve the incumbent within ${longestMs / 1_000} s`,
  check(facts) {
    const times = [timesOf(facts, 'cost'), timesOf(facts, 'error'), timesOf(facts, 'signalled')]
    const faults = times.flatMap(({ name, candidateRequests, lastServedAfterMs }) => [
      ...(candidateRequests === 0 ? [`${name}: the candidate never served, so nothing was shown`] : []),
      ...(lastServedAfterMs > longestMs
        ? [`${name}: served ${Math.round(lastServedAfterMs)} ms after the decision`]
        : []),
    ])
    const latest = Math.max(...times.map(({ lastServedAfterMs }) => lastServedAfterMs))
    const figures =
      latest < 0
        ? `no request of a withdrawn candidate began after its decision`
        : `the last request of a withdrawn candidate began ${Math.round(latest)} ms after the decision`
    return { figures, faults }
  },
}
