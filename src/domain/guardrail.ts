import type { BeforeAfterLook } from './before-after'
import type { SourceShare, TenantsOfInterest } from './live-evidence'
import type { GuardrailPolicy, Policy } from './policy'
import type { ProbeReading } from './probe'
import type { BreakerWindow, StratumStats } from './telemetry'

/** `not_applicable`: there is nothing to compare with (no incumbent, no concurrent control); it blocks nothing. */
export type VerdictKind = 'pass' | 'fail' | 'no_evidence' | 'not_applicable'

export type VerdictReason =
  | 'worse_than_incumbent'
  /** Only the raw mean is worse, on evidence mostly from shares over one half: it may pause, not roll back. */
  | 'share_too_high'
  | 'absolute_limit'
  | 'within_limit'
  | 'non_inferior'
  | 'sample_complete'
  | 'no_traffic'
  | 'below_minimum_sample'
  /** The sample is complete and no harm is found, but the step's time is not over. */
  | 'baking'
  | 'reporters_silent'
  | 'set_full'
  | 'ratio_mismatch'
  | 'no_incumbent'
  | 'no_control'
  | 'provider_changed'
  /** It would not fail, or not pass, without one of three or more reporters or API keys: it pauses and names that one. */
  | 'one_reporter'
  /** One tenant is badly hurt, whatever the mean says. */
  | 'tenant_harmed'
  /** Tenants that have the candidate alone got worse than the others did meanwhile. */
  | 'worse_than_before'
  /** Outputs are different, which is not worse. */
  | 'output_differs'
  /** No value of a custom metric was told of one arm, or no limit was frozen that an exceedance could be told against. */
  | 'no_outcomes'
  /** Outputs are to be judged, and none are captured. */
  | 'capture_off'
  /** The provider of metrics does not answer, or refuses to. */
  | 'provider_down'
  /** It answers, but not with one number. */
  | 'answer_unusable'
  /** It was not asked, or not for too long. */
  | 'no_reading'

export interface GuardrailVerdict {
  /**
   * A metric of the policy, `sample_ratio`, `error_breaker`, `budget_per_hour`, `budget_per_release`,
   * `budget_per_tenant`, `output:<field>`, `max_harm`, `before_after`, `probe:<name>` or `provider`.
   */
  readonly name: string
  /** The role in force: a `rollback` guardrail that fails by `share_too_high` stands here as `pause`. */
  readonly role: GuardrailPolicy['role']
  readonly verdict: VerdictKind
  readonly reason: VerdictReason
  /** Point estimates in the metric's unit; absent where there is nothing to estimate. */
  readonly candidate?: number
  readonly incumbent?: number
  /**
   * Relative guardrails and the sample ratio: the e-value against "not worse than the margin" (against the intended
   * shares) and 1/α, at which it fails. Breakers: the count or the money, and its limit.
   * `before_after`: 1/p, and looks/α.
   */
  readonly statistic?: number
  readonly threshold?: number
  readonly text: string
}

export interface ArmSummary {
  readonly units: number
  readonly requests: number
  readonly errorRate?: number
  readonly schemaFailureRate?: number
  readonly costPerRequestUsd?: number
  readonly latencyMeanMs?: number
}

export interface Spend {
  readonly releaseUsd: number
  readonly lastHourUsd: number
  /** The tenant for whom the release spent most. Absent: no budget asks for it, or nothing was spent. */
  readonly topTenant?: { readonly tenant: string; readonly usd: number }
}

/** What is judged: everything cumulative over the release, plus which strata belong to the current step. */
export interface AssessmentInput {
  readonly policy: Policy
  /** Strata with 0 < share < 1 of every lane of the release. */
  readonly strata: readonly StratumStats[]
  /** One window per breaker of kind `errors`, in the policy's order. */
  readonly windows: readonly BreakerWindow[]
  /** The candidate's spend: over the whole release, and over the last hour. All slices, any share. */
  readonly spend: Spend
  /** The step in force; absent before the first exposed step. */
  readonly step?: {
    readonly environment: string
    /** The lane entry of the step and every later one that repeats it (disable / enable). */
    readonly seqs: readonly number[]
    readonly minimumSample: number
    readonly bakeComplete: boolean
    /** Units of each arm bound to the step whatever the share (1.0 slices included): the sample where nothing is compared. */
    readonly units: { readonly candidate: number; readonly incumbent: number }
  }
  /** Verdicts of outputs that differ, which paused the step in force and which a person accepted, by name. Absent: none. */
  readonly accepted?: readonly string[]
  /** Faults of the evidence itself. Absent: none. */
  readonly reporting?: {
    /** Applications are served but none has reported lately: "no reports" is not "no traffic". */
    readonly silent: boolean
    /** A bounded set of units or events is full, so that counts no longer grow. */
    readonly full: boolean
    /** The policy judges outputs of a lane that captures none. Absent: it does, or none are to be judged. */
    readonly captureOff?: true
    /** The step in force carries no frozen limits, so that no exceedance can be told. Absent: it does. */
    readonly noLimits?: true
  }
  /** Providers of either arm that changed since the release began, in words. Absent: none. */
  readonly providerChanges?: readonly string[]
  /** Who told what; read only where `restsOnSources`, since it changes nothing else. */
  readonly sources?: readonly SourceShare[]
  /** Tenants that may be hurt more than the mean. Absent: not looked at. */
  readonly tenants?: TenantsOfInterest
  /** Looks at tenants without a control, the oldest first. Absent: no tenants have the candidate alone. */
  readonly beforeAfter?: readonly BeforeAfterLook[]
  /** One per probe of the policy, in its order. Absent: none was read. */
  readonly readings?: readonly ProbeReading[]
  /** False in a lane without incumbent: relative guardrails and the ratio check are not applicable. */
  readonly hasIncumbent: boolean
}

/** `action` is what the safety clock does now; `mayAdvance` is what the step clock asks for. */
export interface Assessment {
  readonly action: 'continue' | 'pause' | 'rollback'
  /** What asks for more than to continue, as `<name>:<reason>`. */
  readonly asks: readonly string[]
  readonly mayAdvance: boolean
  /** Why not, where it may not advance: the reason codes in the order they matter. */
  readonly waitingFor: readonly VerdictReason[]
  readonly verdicts: readonly GuardrailVerdict[]
  readonly arms: { readonly candidate: ArmSummary; readonly incumbent: ArmSummary }
}
