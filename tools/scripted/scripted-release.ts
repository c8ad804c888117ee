import { notYet } from '../../activities/advance'
import type { PlannedStep } from '../../src/domain/rollout'
import type {
  AdvanceOutcome,
  ReleaseActivities,
  ShadowOutcome,
  WatchActivities,
  WatchOutcome,
} from '../../workflows/messages'
import { scriptedFailure } from './scripted-failure'

/** What the activities of a scripted release answer; the workflow is the real one. */
export interface Script {
  readonly steps: number
  readonly bakeMs: number
  readonly approvals?: number
  readonly refused?: boolean
  readonly verdict?: 'pass' | 'fail'
  readonly smokePasses?: boolean
  /** Answers of `advanceRelease` in order; then `appended`. */
  readonly advances?: readonly AdvanceOutcome[]
  /** `advanceRelease` waits for the evidence of a step until the deadline, and answers the last look alone. */
  readonly waits?: true
  /** The safety clock answers this once the step of this name is appended; absent: it ends at once. */
  readonly harmAfter?: string
  readonly deadlineMs?: number
  readonly onDeadline?: 'pause' | 'rollback'
  readonly failedDeliveries?: number
  /** Somebody who could not tell the workflow takes the release back while it comes to its end. */
  readonly takenBack?: true
  /** What the shadow comes to; absent: there is none. */
  readonly shadow?: ShadowOutcome
}

export type ScriptedActivities = ReleaseActivities & WatchActivities & { readonly calls: string[] }

const appended: AdvanceOutcome = { kind: 'appended', seq: 1, verdicts: [] }

export const scriptedPlanDigest = `sha256:${'1'.repeat(64)}`

function scriptedSteps(script: Script): PlannedStep[] {
  return Array.from(
    { length: script.steps },
    (_, index): PlannedStep => ({
      name: index === 0 ? 'stage-staging' : `rollout-${index}`,
      stage: index === 0 ? 'stage' : index === 1 ? 'pilot' : 'rollout',
      environment: index === 0 ? 'staging' : 'production',
      exposure: [{ to: 'rest', basisPoints: 100 * index, by: 'conversation' }],
      bakeMs: index === 0 ? 0 : script.bakeMs,
      minimumSample: 0,
    }),
  )
}

/** Activities that answer by a script and remember what they were asked, in order. */
export function scriptedActivities(script: Script): ScriptedActivities {
  const calls: string[] = []
  const advances = [...(script.advances ?? [])]
  let harm: (outcome: WatchOutcome) => void = () => undefined
  const watched = new Promise<WatchOutcome>((resolve) => {
    harm = resolve
  })
  return {
    calls,
    async planRelease({ releaseId }) {
      calls.push('plan')
      if (script.refused) return { kind: 'refused', releaseId, code: 'lane_held', message: 'the lane is held' }
      return {
        kind: 'planned',
        releaseId: releaseId || 'made-here',
        digest: scriptedPlanDigest,
        candidate: `sha256:${'2'.repeat(64)}`,
        risk: 'configuration',
        environment: 'production',
        steps: scriptedSteps(script),
        ...(script.shadow === undefined ? {} : { shadow: true as const }),
        leadMs: 0,
        deadlineMs: script.deadlineMs ?? 60_000,
        onDeadline: script.onDeadline ?? 'pause',
        approvals: { count: script.approvals ?? 0, notTheAuthor: false, trustSignals: true },
        text: 'the plan',
      }
    },
    async testRelease() {
      calls.push('test')
      return { verdict: script.verdict ?? 'pass', reasons: ['accuracy fell'], figures: ['accuracy: 0.7'] }
    },
    async advanceRelease({ step, from, isLast }) {
      if (script.waits && from && !isLast) throw notYet(['the evidence'])
      calls.push(`advance ${step?.name ?? 'settle'}`)
      const outcome = advances.shift() ?? appended
      if (step && step.name === script.harmAfter) harm({ kind: 'withdrawn', by: 'guardrail', reason: 'errors' })
      return outcome
    },
    async shadowRelease() {
      calls.push('shadow')
      return script.shadow ?? { kind: 'pass', reason: 'no harm' }
    },
    async smokeRelease() {
      calls.push('smoke')
      return { passed: script.smokePasses ?? true, reasons: ['case 1: not JSON'] }
    },
    settleRelease: async () => void calls.push('settle'),
    async withdrawRelease() {
      calls.push('withdraw')
      return { lanes: ['production/x'] }
    },
    async communicateRelease() {
      calls.push('communicate')
      return { delivered: 3, failed: script.failedDeliveries ?? 0 }
    },
    async retractRelease() {
      calls.push('retract')
      return { delivered: 0, failed: 0 }
    },
    async closeRelease({ phase }) {
      calls.push(`close ${phase}`)
      if (script.takenBack && phase === 'done') throw scriptedFailure('taken back', 'lane_moved')
    },
    async watchRelease() {
      return script.harmAfter === undefined ? { kind: 'ended' } : watched
    },
  }
}
