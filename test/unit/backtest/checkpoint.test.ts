import { assess } from '../../../src/domain/analysis'
import { type Checkpoint, checkpointDue, checkpointText, maxCheckpoints } from '../../../src/domain/checkpoint'
import type { AssessmentInput } from '../../../src/domain/guardrail'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const breaker = { kind: 'errors', events: ['error'], minCount: 5, minRate: 0.5, windowMs: 60_000 } as const
const look = (units: number, errors = 0, change: Partial<AssessmentInput> = {}) => {
  const { step: _step, ...rest } = change
  const rows = [stratum({ candidate: { units, events: { error: errors } }, incumbent: { units } })]
  const input = inputOf(rows, { ...rest, ...(change.step ? { step: change.step } : {}) })
  return { input, assessment: assess(input) }
}
const first = checkpointDue(undefined, look(100)) as Checkpoint

describe('a look at a release is kept', () => {
  it('as the first of a step, and of each later one', () => {
    expect(first).toMatchObject({ number: 1, because: 'step', seq: 2, units: { candidate: 100, incumbent: 100 } })
    const step = { environment: 'production', seqs: [3], minimumSample: 50, bakeComplete: false }
    const next = look(100, 0, { step: { ...step, units: { candidate: 0, incumbent: 0 } } })
    expect(checkpointDue(first, next)).toMatchObject({ number: 2, because: 'step', seq: 3, kept: { step: 2 } })
  })

  it.each([
    [114, undefined],
    [115, 'growth'],
    [100, undefined],
  ])('once an arm grew by 15 %%: 100 to %d is %s', (units, because) => {
    expect(checkpointDue(first, look(units))?.because).toBe(because)
  })

  it('by ten conversations at least, so that a slow start does not keep every one', () => {
    const small = checkpointDue(undefined, look(3)) as Checkpoint
    expect(checkpointDue(small, look(12))?.because).toBeUndefined()
    expect(checkpointDue(small, look(13))?.because).toBe('growth')
  })

  it('when a verdict changes', () => {
    expect(checkpointDue(first, look(100, 60))).toMatchObject({ because: 'change', number: 2 })
    expect(checkpointDue(first, look(100, 1))).toBeUndefined()
  })

  it('not because a window of a breaker fell quiet', () => {
    const policy = policyWith({ breakers: [breaker] })
    const busy = look(100, 0, { policy, windows: [{ windowMs: 60_000, requests: 9, errors: 0, costUsd: 0 }] })
    const quiet = look(100, 0, { policy, windows: [{ windowMs: 60_000, requests: 0, errors: 0, costUsd: 0 }] })
    const kept = checkpointDue(undefined, busy) as Checkpoint
    expect(checkpointDue(kept, quiet)).toBeUndefined()
  })

  it('before the first exposed step never', () => {
    const { input, assessment } = look(0)
    const { step: _step, ...before } = input
    expect(checkpointDue(undefined, { input: before, assessment })).toBeUndefined()
  })

  it('by each cause up to its bound, and the last one says so', () => {
    let last = first
    let kept = 0
    for (let turn = 0; turn < 2 * maxCheckpoints.change; turn++) {
      const due = checkpointDue(last, look(100, turn % 2 === 0 ? 60 : 0))
      if (due === undefined) break
      last = due
      kept++
    }
    expect(kept).toBe(maxCheckpoints.change)
    expect(last.last).toBe(true)
    expect(checkpointText(last)).toContain('no later one of this kind is kept (150)')
    expect(checkpointDue(last, look(200, 0))?.because).toBe('growth')
  })
})
