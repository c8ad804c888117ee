import type { Slice } from './allocation'
import type { Policy } from './policy'

export type Stage = 'plan' | 'test' | 'stage' | 'pilot' | 'rollout' | 'communicate'

/** One exposure of a release, in the order it is carried out. */
export interface PlannedStep {
  /** Unique in its release; part of the ledger key. */
  readonly name: string
  readonly stage: Extract<Stage, 'stage' | 'pilot' | 'rollout'>
  readonly environment: string
  readonly exposure: readonly Slice[]
  readonly bakeMs: number
  /** Units wanted in each tested arm bound to this step's entry before any advance. */
  readonly minimumSample: number
}

/** The environment that a release rolls out in: the last one it crosses. */
export function rolloutEnvironment(policy: Policy): string {
  const last = policy.environments.at(-1)
  if (last === undefined) throw new Error('a policy crosses at least one environment')
  return last
}

const whole = (by: Slice['by']): Slice => ({ to: 'rest', basisPoints: 10_000, by })

/**
 * The steps of a release. Earlier environments are exposed whole (nobody but tests is there); in the last one come the
 * pilot ring with a control of its own, then the ramp, in which the pilot slice stays first at the larger share, so that
 * nobody who has the candidate loses it. Without an incumbent every exposed slice stands at the whole: there is no
 * control, and the rest are not served.
 */
export function planSteps(policy: Policy, hasIncumbent: boolean): readonly PlannedStep[] {
  const environment = rolloutEnvironment(policy)
  const before = policy.environments.slice(0, -1).map(
    (earlier): PlannedStep => ({
      name: `stage-${earlier}`,
      stage: 'stage',
      environment: earlier,
      exposure: [whole('conversation')],
      bakeMs: 0,
      minimumSample: 0,
    }),
  )
  const share = (basisPoints: number): number => (hasIncumbent ? basisPoints : 10_000)
  const { pilot } = policy
  const pilotSlice = (basisPoints: number): Slice[] =>
    pilot
      ? [{ to: { ring: pilot.ring }, basisPoints: share(Math.max(pilot.basisPoints, basisPoints)), by: pilot.by }]
      : []
  const pilots = pilot
    ? [
        {
          name: 'pilot',
          stage: 'pilot' as const,
          environment,
          exposure: pilotSlice(0),
          bakeMs: pilot.bakeMs,
          minimumSample: pilot.minimumSample,
        },
      ]
    : []
  const ramp = policy.steps.map(
    (step, index): PlannedStep => ({
      name: `rollout-${index + 1}`,
      stage: 'rollout',
      environment,
      exposure: [...pilotSlice(step.basisPoints), { to: 'rest', basisPoints: share(step.basisPoints), by: policy.by }],
      bakeMs: step.bakeMs,
      minimumSample: step.minimumSample,
    }),
  )
  return [...before, ...pilots, ...ramp]
}

/** What the plan must say about how the release is watched: the warnings of a policy that leaves a control out. */
export function rolloutWarnings(policy: Policy, hasIncumbent: boolean): readonly string[] {
  const warnings: string[] = []
  if (!hasIncumbent) warnings.push('There is no incumbent to compare with: only absolute breakers watch this release.')
  if (!hasIncumbent && policy.shadow) warnings.push('There is no incumbent to shadow: no request is copied.')
  if (policy.steps.length === 0)
    warnings.push('The policy goes straight to everyone: only absolute breakers could watch it.')
  const shares = [...policy.steps, ...(policy.pilot ? [policy.pilot] : [])].map((step) => step.basisPoints)
  if (hasIncumbent && shares.some((share) => share === 10_000)) {
    warnings.push('A step exposes everyone and keeps no control: only absolute breakers watch it.')
  }
  return warnings
}
