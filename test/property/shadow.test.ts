import fc from 'fast-check'
import { compileSnapshot } from '../../src/domain/compiled-snapshot'
import type { ShadowPolicy } from '../../src/domain/policy'
import { resolve } from '../../src/domain/resolve'
import type { ShadowView } from '../../src/domain/shadow'
import { judgeShadow, type ShadowUnit } from '../../src/domain/shadow-judgement'
import type { Snapshot } from '../../src/domain/snapshot'
import { randomFrom } from '../../tools/random'

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const
const shadow: ShadowView = {
  releaseId: 'R',
  candidate: digest('3'),
  incumbent: digest('1'),
  basisPoints: 10_000,
  until: 1e12,
}

describe('a shadow', () => {
  it('changes nothing of who is served what', () => {
    const share = fc.constantFrom(0, 500, 5_000, 10_000)
    fc.assert(
      fc.property(
        share,
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        fc.nat(5_000),
        (basisPoints, tenant, conversation, startedAt) => {
          const exposure = [{ to: 'rest' as const, basisPoints, by: 'conversation' as const }]
          const entries = [
            { seq: 1, at: 0, incumbent: digest('1'), exposure: [], salt: 'a' },
            { seq: 2, at: 1_000, incumbent: digest('1'), candidate: digest('2'), exposure, salt: 'b' },
          ]
          const composites = Object.fromEntries(
            ['1', '2', '3'].map((digit) => [digest(digit), { id: digest(digit), roles: {}, contents: {} }]),
          )
          const snapshot = (own: object) =>
            ({
              ...{ specVersion: 1, environment: 'production', version: 'v', leadMs: 0, tenants: {}, composites },
              lanes: { csat: { task: 'csat', entries, ...own } },
            }) as unknown as Snapshot
          const ask = (own: object): unknown => {
            try {
              return resolve(compileSnapshot(snapshot(own)), { task: 'csat', tenant, conversation, startedAt })
            } catch (error) {
              return (error as { code?: string }).code
            }
          }
          expect(ask({ shadow })).toEqual(ask({}))
        },
      ),
    )
  })

  const policy: ShadowPolicy = {
    basisPoints: 1,
    minimumSample: 1,
    bakeMs: 0,
    deadlineMs: 0,
    usdPerHour: 1,
    guardrails: [
      { metric: 'error_rate', role: 'rollback', margin: 0 },
      { metric: 'cost_per_conversation', role: 'rollback', margin: 0 },
    ],
    noEvidence: 'pause',
  }

  it('is seldom taken for harm where both arms are the same, also where they fail and cost together', () => {
    const { uniform: random } = randomFrom(20_260_301)
    const [streams, pairs, looks] = [200, 400, 20]
    let alarms = 0
    for (let stream = 0; stream < streams; stream++) {
      const units: ShadowUnit[] = []
      let alarmed = false
      for (let pair = 1; pair <= pairs && !alarmed; pair++) {
        // A hard conversation fails more often and costs more, whoever answers it.
        const hard = random() < 0.3
        const answer = () => ({
          errors: random() < (hard ? 0.4 : 0.01) ? 1 : 0,
          schemaFailures: 0,
          costUsd: (hard ? 0.05 : 0.01) * Math.exp(random() - 0.5),
          uncachedCostUsd: 0.01,
          latencyMs: 500,
        })
        units.push({ pairs: 1, candidate: answer(), incumbent: answer() })
        if (pair % looks === 0) alarmed = judgeShadow({ alpha: 0.05, shadow: policy }, units).verdict === 'fail'
      }
      if (alarmed) alarms++
    }
    // 5 % and four standard deviations of it.
    expect(alarms / streams).toBeLessThan(0.05 + 4 * Math.sqrt((0.05 * 0.95) / streams))
  })
})
