import type { Slice } from './allocation'
import type { BeforeAfterMetric } from './before-after'
import type { ProbeProviderName } from './probe'
import type { CustomMetric } from './quality'
import type { ShadowMetric } from './shadow'
import type { EventName } from './telemetry'
import type { OutputField } from './telemetry-outputs'
import type { Digest } from './version'

export type GuardrailRole = 'rollback' | 'pause' | 'notify'
export type NoEvidenceAction = 'pause' | 'extend' | 'rollback' | 'ask'

/** A metric watched against the incumbent. `metric` names a row of the metrics registry or, with `custom`, what applications tell. */
export interface GuardrailPolicy {
  readonly metric: string
  readonly custom?: CustomMetric
  readonly role: GuardrailRole
  /** Relative non-inferiority margin: 0.25 tolerates a quarter more than the incumbent. */
  readonly margin: number
  readonly noEvidence: NoEvidenceAction
}

/** An absolute limit on the candidate, with or without a control. */
export type BreakerPolicy =
  | {
      readonly kind: 'errors'
      readonly events: readonly Extract<EventName, 'error' | 'schema_failure'>[]
      readonly minCount: number
      readonly minRate: number
      readonly windowMs: number
    }
  | {
      readonly kind: 'budget'
      readonly usdPerHour?: number
      readonly usdPerRelease?: number
      readonly usdPerTenant?: number
    }

/** An absolute limit on a number that a provider of metrics is asked for. At least one of the limits is there. */
export interface ProbePolicy {
  readonly name: string
  readonly provider: ProbeProviderName
  /** A configured endpoint: where it is and its key are no part of any version. */
  readonly endpoint: string
  /** In the provider's language, with placeholders as `{{candidate}}`. */
  readonly query: string
  readonly atMost?: number
  readonly atLeast?: number
  readonly role: GuardrailRole
  readonly noEvidence: NoEvidenceAction
  /** From one question to the next. */
  readonly everyMs: number
  /** How long a value counts where no newer one comes. */
  readonly maxAgeMs: number
}

/** A pinned model that scores a sample of the captured outputs; a guardrail with `custom` of this metric tests the scores. */
export interface LiveJudgePolicy {
  readonly metric: string
  readonly engine: Digest
  readonly prompt: Digest
  /** What the judge is to go by. */
  readonly rubric?: string
  /** Share of the captured conversations, the same ones in both arms. */
  readonly sampleBasisPoints: number
  /** Money for one release; at the limit no more is judged. */
  readonly budgetUsd: number
  readonly perMinute: number
}

/** A field of the output whose mix of classes, or whose mean, is compared. It never takes a release back. */
export interface OutputPolicy extends OutputField {
  readonly role: Exclude<GuardrailRole, 'rollback'>
}

/** When one tenant counts as badly hurt. */
export interface MaxHarmPolicy {
  /** Not `rollback`: a single key can report for a single tenant, and must not be able to take a release back. */
  readonly role: Exclude<GuardrailRole, 'rollback'>
  /** Relative margin tolerated for a single tenant. */
  readonly margin: number
  /** Conversations with an event, of both arms, that a tenant needs to be looked at. */
  readonly minimumEvents: number
}

/** Where tenants have the candidate alone: how their rate changed, against how that of the others did. It only tells. */
export interface BeforeAfterPolicy {
  readonly metric: BeforeAfterMetric
  /** Nobody was drawn for such an exposure, so nothing may be stopped by it. */
  readonly role: 'notify'
  /** Relative: 0.25 tolerates a quarter more than the tenants would have come to. */
  readonly margin: number
  /** Exposed tenants, and others, with enough conversations before and after. */
  readonly minimumTenants: number
}

/** The step before anybody is served: the candidate answers copies of requests, and nothing of it leaves the application. */
export interface ShadowPolicy {
  /** Share of the conversations that the incumbent serves. */
  readonly basisPoints: number
  /** Conversations with a pair of answers that are needed. */
  readonly minimumSample: number
  readonly bakeMs: number
  /** Longest wait for the sample after the bake. */
  readonly deadlineMs: number
  /** What copies may cost, over all applications. */
  readonly usdPerHour: number
  readonly guardrails: readonly {
    readonly metric: ShadowMetric
    readonly role: GuardrailRole
    readonly margin: number
  }[]
  /** What follows where the sample does not come: `go_on` without it, stop for a person, or take the release back. */
  readonly noEvidence: 'go_on' | 'pause' | 'rollback'
}

export interface PolicyStep {
  readonly basisPoints: number
  readonly bakeMs: number
  /** Units needed in each tested arm bound to this step's entry before any advance. */
  readonly minimumSample: number
}

/** The content of a `policy` version: how a release goes forward and when it goes back. */
export interface Policy {
  /** Environments crossed, in order; the last one is where the release rolls out. */
  readonly environments: readonly string[]
  readonly leadMs: number
  /** Approvals wanted once the plan is known. `trustSignals`: whether a signal's claim of who it is may count. */
  readonly approvals: { readonly count: number; readonly notTheAuthor: boolean; readonly trustSignals: boolean }
  readonly test: {
    /** Candidate's accuracy may fall this far below the incumbent's (0..1) before it counts as a regression. */
    readonly regressionMargin: number
    readonly schemaComplianceMin: number
    /** Largest tolerated ratio candidate / incumbent of mean tokens, p95 latency and mean cost. */
    readonly tokensRatioMax: number
    readonly latencyRatioMax: number
    readonly costRatioMax: number
    /** Output shift beyond this share of cases makes the change `shifting`. */
    readonly shiftMargin: number
    readonly budgetUsd: number
  }
  readonly stage: { readonly smokeCases: number }
  /** Absent: nothing is copied. Before any step of the environment that the release rolls out in. */
  readonly shadow?: ShadowPolicy
  /** Absent: no pilot. */
  readonly pilot?: PolicyStep & { readonly ring: string; readonly by: Slice['by'] }
  /** Empty: straight to the whole (`immediate`). */
  readonly steps: readonly PolicyStep[]
  readonly by: Slice['by']
  readonly alpha: number
  readonly guardrails: readonly GuardrailPolicy[]
  readonly breakers: readonly BreakerPolicy[]
  /** Absent: nobody else is asked. */
  readonly probes?: readonly ProbePolicy[]
  /** Absent: nothing that is served is judged. */
  readonly judges?: readonly LiveJudgePolicy[]
  /** Absent: no output is watched. */
  readonly outputs?: readonly OutputPolicy[]
  /** Absent: `pause` beyond a margin of a half. */
  readonly maxHarm?: MaxHarmPolicy
  /** Absent: tenants without a control are not looked at. */
  readonly beforeAfter?: BeforeAfterPolicy
  /** Longest wait for the minimum sample of a step after its bake; then one more look, and the action of `onDeadline`. */
  readonly deadlineMs: number
  readonly onDeadline: 'pause' | 'rollback'
  /** Change classes allowed into the same task, by name. */
  readonly exceptions: readonly ('shifting' | 'breaking')[]
  /** How long served requests stay in the log; absent: 180 days. */
  readonly requestLogDays?: number
  /** When a provider returns another model or fingerprint during a release; absent: `notify`. */
  readonly onProviderChange?: 'pause' | 'notify'
  /** Artifacts, as `kind/name`, in which cases of the suite may stand: a leak into them is told and stops nothing. */
  readonly leakage?: { readonly allow: readonly string[] }
  /** After a rollback: hold the lane, veto the composite. */
  readonly afterRollback: { readonly hold: boolean; readonly veto: boolean }
}
