import fc from 'fast-check'
import type { Digest } from '../../src/domain/version'
import { runs } from '../support/effort'
import { type LaneGround, laneGround } from '../support/lane-ground'
import { type Act, LaneTrial, tenants } from '../support/lane-trial'

const version = fc.integer({ min: 0, max: 4 })
const chosen = fc.oneof(fc.constant('candidate'), version)
const leadMs = fc.constantFrom(0, 0, 500)
const basisPoints = fc.constantFrom(500, 2_500, 5_000, 9_500, 10_000)
const tenant = fc.constantFrom(...tenants)
const own = fc.integer({ min: 0, max: 5 })
const flags = { hold: fc.boolean(), veto: fc.boolean() }
const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('step'), version: chosen, basisPoints, leadMs }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), version: chosen, leadMs }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('withdraw', 'rollback'), ...flags }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rollback to'), version }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('disable', 'enable', 'enable') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lift') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('opt out', 'reset'), tenant }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('override'), tenant, version: own }) },
  {
    weight: 9,
    arbitrary: fc.record({ do: fc.constant('begin'), tenant, keeps: fc.constantFrom('binding', 'binding', 'start') }),
  },
) as fc.Arbitrary<Act>

const begin = (tenant: string): Act => ({ do: 'begin', tenant, keeps: 'binding' })
/** Tried every time: in a random history with a hold near its start, little more happens. */
const eventful: readonly Act[] = [
  { do: 'settle', version: 0, leadMs: 0 },
  { do: 'step', version: 1, basisPoints: 9_500, leadMs: 0 },
  ...[...tenants, ...tenants, ...tenants].map(begin),
  { do: 'rollback', hold: true, veto: true },
  { do: 'step', version: 1, basisPoints: 500, leadMs: 0 },
  { do: 'lift' },
  { do: 'settle', version: 2, leadMs: 0 },
  ...tenants.map(begin),
  { do: 'rollback', hold: false, veto: false },
]

describe('the store against its model', () => {
  let ground: LaneGround
  let versions: readonly Digest[]
  let untested: Digest

  beforeAll(async () => {
    ground = await laneGround()
    versions = await ground.tested(4)
    untested = await ground.composite(99)
  })
  afterAll(() => ground.end())

  it('serves each conversation one version, but for the rollback of that very version', async () => {
    const seen = { acts: 0, refused: 0, conversations: 0, moved: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 30, maxLength: 60 }), async (acts) => {
        const trial = new LaneTrial(ground, await ground.lane(), versions, untested)
        for (const next of acts) {
          const foreseen = trial.foresee(next)
          expect([next, await trial.perform(next)]).toEqual([next, foreseen])
          await trial.check()
          seen.acts++
          if (foreseen !== 'done') seen.refused++
        }
        seen.conversations += trial.model.conversations.length
        seen.moved += trial.model.revoked
      }),
      { numRuns: runs(12, 6), examples: [[[...eventful]]], endOnFailure: true },
    )
    // A run in which nothing happened proves nothing.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5)
    // However busy the machine is: a run that is cut short might have met nothing.
  }, 300_000)
})
