import { isRecord } from '../domain/diff'
import type { Snapshot } from '../domain/snapshot'
import { SluiceError } from '../errors'

/** What answered `url`, as a snapshot. Throws `api_unreachable` where it is none that this version can serve by. */
export function snapshotIn(answer: unknown, environment: string, url: string): Snapshot {
  if (isSnapshot(answer, environment)) return answer
  const text = `What answers at ${url} is no snapshot of ${environment} that this version of the SDK reads. Correct the URL, or use versions of server and SDK that fit.`
  throw new SluiceError('api_unreachable', text, { url })
}

const isSnapshot = (answer: unknown, environment: string): answer is Snapshot =>
  isRecord(answer) &&
  answer.specVersion === 1 &&
  answer.environment === environment &&
  typeof answer.version === 'string' &&
  answer.version !== '' &&
  [answer.lanes, answer.tenants, answer.composites].every(isRecord)
