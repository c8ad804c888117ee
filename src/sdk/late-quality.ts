import { isId } from '../domain/bucket'
import type { LateOutcome } from '../domain/telemetry'
import { SluiceError } from '../errors'

/** A judgement of a conversation that arrives during it or long after. */
export interface LateQuality {
  /** Lower-case letters, digits and `_`. */
  readonly metric: string
  readonly value: number
  /** Chosen by the caller: a repeated call for the same task, conversation and metric counts once. */
  readonly id?: string
}

const metricShape = /^[a-z][a-z0-9_]{0,62}$/
const largestValue = 1e9

/** Throws `invalid_telemetry`, naming what the server would refuse: callers without types hand in anything. */
export function assertOutcome(outcome: LateOutcome): void {
  const { metric, value } = outcome
  const fields = [
    ...(['task', 'tenant', 'conversation', 'id'] as const).filter((name) => !isId(outcome[name])),
    ...(typeof metric === 'string' && metricShape.test(metric) ? [] : ['metric']),
    ...(typeof value === 'number' && Math.abs(value) <= largestValue ? [] : ['value']),
  ]
  if (fields.length === 0) return
  throw new SluiceError('invalid_telemetry', `The outcome is refused: ${fields.join(', ')} cannot be true.`, { fields })
}
