import type { Serving } from '../../src/sdk'
import { Recorder } from '../../src/sdk/recorder'
import { recordOf } from '../../src/sdk/report'

const bounds = { units: 100, requests: 50, lateOutcomes: 10 }
const amounts = { latencyMs: 1, inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0.5, uncachedCostUsd: 0.5 }

const serving = (conversation: string, startedAt?: number): Serving =>
  ({
    task: 'csat',
    tenant: 'acme',
    conversation,
    startedAt,
    seq: 2,
    slice: 0,
    arm: 'candidate',
    composite: { id: 'sha256:c', roles: {} },
    reason: 'slice',
    binding: 'b1.2.0',
    cacheAgeMs: 0,
    headSeq: 2,
    tenantSeq: 0,
    stale: false,
  }) as unknown as Serving

function record(recorder: Recorder, conversation: string, requestId: string, startedAt?: number): void {
  const by = serving(conversation, startedAt)
  const request = recordOf(by, { requestId, at: 0, outcome: 'ok', amounts }, { outcome: 'ok', latencyMs: 1 })
  recorder.record(by, request, { events: [], gap: false, elapsedMs: performance.now() })
}

const unitsOf = (recorder: Recorder) => {
  const taken = recorder.take()
  return { taken, units: taken?.content.strata.flatMap(({ units }) => units) ?? [] }
}

describe('the recorder', () => {
  it('sends cumulative totals with growing revisions, and nothing twice once acknowledged', () => {
    const recorder = new Recorder(bounds)
    record(recorder, 'c-1', 'r-1')
    const first = unitsOf(recorder)
    expect(first.units).toMatchObject([{ requests: 1, revision: 1, part: 0, costUsd: 0.5 }])
    record(recorder, 'c-1', 'r-2')
    first.taken?.acknowledged()
    expect(unitsOf(recorder).units).toMatchObject([{ requests: 2, revision: 2, part: 0, costUsd: 1 }])
    expect(recorder.pending).toBe(false)
    expect(recorder.take()).toBeUndefined()
  })

  it('sends again what was returned, with what happened meanwhile', () => {
    const recorder = new Recorder(bounds)
    record(recorder, 'c-1', 'r-1')
    const first = recorder.take()
    record(recorder, 'c-1', 'r-2')
    first?.returned()
    const again = recorder.take()
    expect(again?.content.strata[0]?.units).toMatchObject([{ requests: 2, revision: 2 }])
    expect(again?.content.requests.map(({ requestId }) => requestId)).toEqual(['r-1', 'r-2'])
    expect(recorder.dropped).toBe(0)
  })

  it('begins a new part for a conversation that it forgot after it was closed and acknowledged', () => {
    const recorder = new Recorder(bounds)
    record(recorder, 'c-1', 'r-1')
    recorder.close(serving('c-1'))
    const first = unitsOf(recorder)
    expect(first.units).toMatchObject([{ closed: true, revision: 2 }])
    first.taken?.acknowledged()
    record(recorder, 'c-1', 'r-2')
    expect(unitsOf(recorder).units).toMatchObject([{ requests: 1, revision: 1, part: 1, closed: false }])
  })

  it('keeps within its bounds at any rate: the oldest go first and are counted', () => {
    const recorder = new Recorder(bounds)
    for (let index = 0; index < 1_000; index++) record(recorder, `c-${index}`, `r-${index}`)
    expect(recorder.dropped).toBe(1_000 - bounds.requests + (1_000 - bounds.units))
    const { taken, units } = unitsOf(recorder)
    expect(units).toHaveLength(bounds.units)
    expect(taken?.content.requests.map(({ requestId }) => requestId)[0]).toBe('r-950')
    taken?.acknowledged()
    const before = recorder.dropped
    for (let index = 0; index < bounds.units; index++) record(recorder, `d-${index}`, `s-${index}`)
    expect(recorder.dropped - before).toBe(bounds.units - bounds.requests)
  })

  it('marks open conversations that began in a gap', () => {
    const recorder = new Recorder(bounds)
    record(recorder, 'before', 'r-1', 99)
    record(recorder, 'within', 'r-2', 100)
    record(recorder, 'after', 'r-3', 200)
    recorder.take()?.acknowledged()
    const late = { task: 'csat', seq: 3, lateMs: 100 }
    recorder.markGap({ task: 'csat', seq: 3, from: 100, to: 200 }, late)
    const { taken, units } = unitsOf(recorder)
    expect(units).toMatchObject([{ gap: true, requests: 1, revision: 2 }])
    expect(taken?.content.late).toEqual([late])
  })
})
