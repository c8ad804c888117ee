import fc from 'fast-check'
import type { UnitReport } from '../../src/domain/telemetry'
import type { Serving } from '../../src/sdk'
import { Recorder, type Taken } from '../../src/sdk/recorder'
import { recordOf } from '../../src/sdk/report'

const amounts = { latencyMs: 1, inputTokens: 3, cachedTokens: 0, outputTokens: 1, costUsd: 0.5, uncachedCostUsd: 0.5 }
const conversations = 6
const numRuns = 300
const ample = { units: 1_000, requests: 1_000, lateOutcomes: 10 }
const scarce = { units: 3, requests: 5, lateOutcomes: 10 }

const conversation = fc.integer({ min: 0, max: conversations - 1 })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('report' as const), of: conversation }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('close' as const), of: conversation }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('gap' as const), of: conversation }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('take' as const), share: fc.constantFrom(1, 0.001, 0.002) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom('acknowledged' as const, 'returned' as const, 'lost answer' as const),
      which: fc.nat(),
    }),
  },
)
/** Long enough for two batches on their way at the same time. */
const history = fc.array(step, { minLength: 20, maxLength: 80 })
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** A server that keeps of each part the newest revision, and of each request the first telling; and what it was told. */
class Trial {
  readonly recorder: Recorder
  readonly told = new Map<string, number>()
  readonly units = new Map<number, UnitReport>()
  readonly requests = new Set<string>()
  private readonly outstanding: Taken[] = []
  private count = 0

  constructor(bounds: typeof ample) {
    this.recorder = new Recorder(bounds)
  }

  do(step: Step): void {
    if (step.what === 'report') this.report(step.of)
    else if (step.what === 'close') this.recorder.close(servingOf(step.of))
    else if (step.what === 'gap')
      this.recorder.markGap({ task: 'csat', seq: 2, from: step.of, to: step.of + 1 }, undefined)
    else if (step.what === 'take') this.take(step.share)
    else this.settle(step.what, step.which)
  }

  /** All answers arrive, and all that is left is taken. */
  finish(): void {
    while (this.outstanding.length > 0) this.settle('returned', 0)
    for (let taken = this.recorder.take(); taken !== undefined; taken = this.recorder.take()) {
      this.keep(taken)
      taken.acknowledged()
    }
  }

  /** By conversation, what the server has counted. */
  counted(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { tenant, requests } of this.units.values()) counts.set(tenant, (counts.get(tenant) ?? 0) + requests)
    return counts
  }

  private report(of: number): void {
    const serving = servingOf(of)
    const requestId = `r-${this.count++}`
    const request = recordOf(serving, { requestId, at: 0, outcome: 'ok', amounts }, { outcome: 'ok', latencyMs: 1 })
    this.recorder.record(serving, request, { events: [], gap: false, elapsedMs: this.count })
    this.told.set(serving.tenant, (this.told.get(serving.tenant) ?? 0) + 1)
  }

  private take(share: number): void {
    const taken = this.recorder.take(share)
    if (taken) this.outstanding.push(taken)
  }

  private settle(how: 'acknowledged' | 'returned' | 'lost answer', which: number): void {
    const [taken] = this.outstanding.splice(which % Math.max(1, this.outstanding.length), 1)
    if (taken === undefined) return
    // An answer that was lost: the server has it, and the recorder does not know.
    if (how !== 'returned') this.keep(taken)
    if (how === 'acknowledged') taken.acknowledged()
    else taken.returned()
  }

  private keep({ content }: Taken): void {
    for (const unit of content.strata.flatMap(({ units }) => units)) {
      if ((this.units.get(unit.part)?.revision ?? 0) < unit.revision) this.units.set(unit.part, unit)
    }
    for (const { requestId } of content.requests) this.requests.add(requestId)
  }
}

/** One tenant for each conversation, which tells the units of a conversation apart. */
const servingOf = (of: number): Serving =>
  ({
    task: 'csat',
    tenant: `t-${of}`,
    conversation: 'c',
    startedAt: of,
    seq: 2,
    slice: 0,
    arm: 'candidate',
    composite: { id: 'sha256:c' },
  }) as unknown as Serving

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, one) => all + one, 0)

describe('whatever becomes of batches and their answers', () => {
  it('nothing is lost or counted twice where there is room', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const trial = new Trial(ample)
        for (const one of steps) trial.do(one)
        trial.finish()
        expect(trial.counted()).toEqual(trial.told)
        expect(trial.requests.size).toBe(sum(trial.told))
        expect(trial.recorder.dropped).toBe(0)
        expect(trial.recorder.pending).toBe(false)
      }),
      { numRuns },
    )
  })

  it('no more is missing than what is said to be dropped where there is none, and nothing is counted twice', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const trial = new Trial(scarce)
        for (const one of steps) trial.do(one)
        trial.finish()
        const counted = trial.counted()
        for (const [tenant, requests] of counted) expect(requests).toBeLessThanOrEqual(trial.told.get(tenant) ?? 0)
        const isShort = sum(counted) < sum(trial.told) || trial.requests.size < sum(trial.told)
        if (isShort) expect(trial.recorder.dropped).toBeGreaterThan(0)
        expect(sum(trial.told) - trial.requests.size).toBeLessThanOrEqual(trial.recorder.dropped)
        expect(trial.recorder.pending).toBe(false)
      }),
      { numRuns },
    )
  })
})
