import type { Policy } from '../../src/domain/policy'
import { planSteps, rolloutEnvironment, rolloutWarnings } from '../../src/domain/rollout'
import { simulatedPolicy } from '../../tools/simulated-release'

const pilot = { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 10, minimumSample: 7 } as const
const step = (basisPoints: number) => ({ basisPoints, bakeMs: 20, minimumSample: 9 })

function policyOf(changes: Partial<Policy>): Policy {
  const { pilot: _pilot, ...base } = simulatedPolicy(0.25)
  return {
    ...base,
    environments: ['staging', 'production'],
    by: 'conversation',
    steps: [step(500), step(9_500)],
    ...changes,
  }
}

const shares = (policy: Policy, hasIncumbent = true) =>
  planSteps(policy, hasIncumbent).map(({ name, stage, environment, exposure }) => ({
    name,
    stage,
    environment,
    shares: exposure.map(({ to, basisPoints }) => [
      to === 'rest' ? 'rest' : 'ring' in to ? to.ring : 'tenants',
      basisPoints,
    ]),
  }))

describe('the steps of a release', () => {
  it('cross the earlier environments whole, then the pilot ring with a control, then the ramp', () => {
    expect(shares(policyOf({ pilot }))).toEqual([
      { name: 'stage-staging', stage: 'stage', environment: 'staging', shares: [['rest', 10_000]] },
      { name: 'pilot', stage: 'pilot', environment: 'production', shares: [['pilot', 5_000]] },
      {
        name: 'rollout-1',
        stage: 'rollout',
        environment: 'production',
        shares: [
          ['pilot', 5_000],
          ['rest', 500],
        ],
      },
      {
        name: 'rollout-2',
        stage: 'rollout',
        environment: 'production',
        shares: [
          ['pilot', 9_500],
          ['rest', 9_500],
        ],
      },
    ])
  })

  it('carry bake and minimum sample of the policy; a stage waits for neither', () => {
    const times = planSteps(policyOf({ pilot }), true).map(({ bakeMs, minimumSample }) => [bakeMs, minimumSample])
    expect(times).toEqual([
      [0, 0],
      [10, 7],
      [20, 9],
      [20, 9],
    ])
  })

  it('stand at the whole without an incumbent, which the rest would have to go to', () => {
    expect(shares(policyOf({ pilot }), false).map((row) => row.shares)).toEqual([
      [['rest', 10_000]],
      [['pilot', 10_000]],
      [
        ['pilot', 10_000],
        ['rest', 10_000],
      ],
      [
        ['pilot', 10_000],
        ['rest', 10_000],
      ],
    ])
  })

  it('are none in the last environment for a policy that goes straight to everyone', () => {
    expect(shares(policyOf({ steps: [] })).map(({ name }) => name)).toEqual(['stage-staging'])
    expect(planSteps(policyOf({ steps: [], environments: ['production'] }), true)).toEqual([])
  })

  it('have names that are unique in the release, as ledger keys need', () => {
    const names = planSteps(policyOf({ pilot, environments: ['development', 'staging', 'production'] }), true).map(
      ({ name }) => name,
    )
    expect(new Set(names).size).toBe(names.length)
  })

  it('roll out in the last environment that the policy crosses', () => {
    expect(rolloutEnvironment(policyOf({}))).toBe('production')
    expect(() => rolloutEnvironment(policyOf({ environments: [] }))).toThrow('at least one environment')
  })
})

describe('the warnings of a plan', () => {
  it.each([
    ['a ramp with a control', policyOf({ pilot }), true, 0],
    ['no incumbent', policyOf({ pilot }), false, 1],
    ['no steps', policyOf({ steps: [] }), true, 1],
    ['a step that exposes everyone', policyOf({ steps: [step(500), step(10_000)] }), true, 1],
    ['a pilot that exposes everyone in the ring', policyOf({ pilot: { ...pilot, basisPoints: 10_000 } }), true, 1],
  ] as const)('%s', (_, policy, hasIncumbent, count) => {
    expect(rolloutWarnings(policy, hasIncumbent)).toHaveLength(count)
  })
})
