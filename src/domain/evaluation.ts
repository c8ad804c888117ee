import type { GroupedEstimate, GroupedTest } from '../stats/grouped'
import type { TokenUsage } from './pricing'
import type { Digest } from './version'

/** What a verdict of the test stage is bound to; it is void once any of them moved. */
export interface EvidenceKey {
  readonly candidate: Digest
  readonly incumbent?: Digest
  readonly suite: Digest
  readonly policy: Digest
}

export type EvaluationVerdict = 'pass' | 'fail' | 'no_evidence'

/** One case run once by one composite, scored. */
export interface CaseOutcome extends TokenUsage {
  readonly caseId: string
  readonly group: string
  readonly repeat: number
  /** `error`: the engine gave no answer; such a case scores nothing. */
  readonly status: 'ok' | 'error'
  /** Scorer name → 0..1. */
  readonly scores: Readonly<Record<string, number>>
  /** Every gate scorer gave the full score. */
  readonly passed: boolean
  /** The output fits the composite's schema; without one, whether it is not an error. */
  readonly valid: boolean
  /** The output, where it is a JSON object. */
  readonly output?: Readonly<Record<string, unknown>>
  readonly latencyMs: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
  /** When its one call was made, milliseconds since the epoch; 0 for an error. */
  readonly measuredAt: number
  /** Paid for by an earlier run. */
  readonly fromStore: boolean
  readonly model?: string
  readonly fingerprint?: string
}

/** What the provider said it ran, and how often: more than one under one engine version is drift. */
export interface EngineSeen {
  readonly model: string
  readonly fingerprint: string
  readonly results: number
}

/** One composite on the suite. Shares are 0..1 with 95 % intervals by group. */
export interface ArmReport {
  readonly composite: Digest
  readonly results: number
  readonly errors: number
  readonly fromStore: number
  readonly accuracy: GroupedEstimate
  readonly scores: Readonly<Record<string, GroupedEstimate>>
  readonly passed: GroupedEstimate
  readonly schemaCompliance: GroupedEstimate
  readonly tokens: { readonly inputMean: number; readonly cachedMean: number; readonly outputMean: number }
  /** Of the calls themselves, once each: reading a stored result again measures nothing. */
  readonly latency?: { readonly p50Ms: number; readonly p95Ms: number; readonly from: number; readonly to: number }
  readonly cost: { readonly totalUsd: number; readonly meanUsd: number; readonly uncachedMeanUsd: number }
  readonly engines: readonly EngineSeen[]
}

/** How one key of the outputs moved between the arms, over the pairs where both are JSON objects. */
export interface FieldShift {
  readonly field: string
  /** `text` is free text: shown, never judged. */
  readonly kind: 'boolean' | 'number' | 'category' | 'text'
  readonly pairs: number
  /** Share of the pairs in which the value differs. */
  readonly changedShare: number
  /** Share of true, mean, or mean length of text; absent for categories. */
  readonly before?: number
  readonly after?: number
}

/** Cases whose primary score rose or fell; `cases` are the first ones by name. */
export interface CaseList {
  readonly count: number
  readonly cases: readonly string[]
}

export interface Comparison {
  readonly pairs: number
  /** Primary score of the candidate minus the incumbent's, paired by case and tested by group. */
  readonly difference: GroupedTest
  readonly fixed: CaseList
  readonly broken: CaseList
  readonly shifts: readonly FieldShift[]
  /** Candidate / incumbent; absent where the incumbent's is zero or nothing was measured. */
  readonly tokensRatio?: number
  readonly costRatio?: number
  readonly latencyP95Ratio?: number
}

/** One rule of the gate as it was judged. */
export interface EvaluationCheck {
  readonly name: CheckName
  readonly verdict: EvaluationVerdict | 'not_applicable'
  /** Measured and allowed, in the unit of the check. */
  readonly value?: number
  readonly limit?: number
  readonly text: string
}

export const checkNames = [
  'leakage',
  'complete',
  'engine_errors',
  'accuracy',
  'schema_compliance',
  'regression',
  'tokens',
  'latency',
  'cost',
  'output_shift',
] as const
export type CheckName = (typeof checkNames)[number]

/** What this run called and paid. */
export interface Paid {
  readonly calls: number
  readonly results: number
  readonly costUsd: number
  /** Calls of this evaluation and earlier ones that left no result: at most so many were paid for twice. */
  readonly lostCalls: number
}

export interface EvaluationReport {
  readonly suite: Digest
  readonly primary: string
  readonly cases: number
  readonly groups: number
  readonly repeats: number
  readonly candidate: ArmReport
  readonly incumbent?: ArmReport
  readonly comparison?: Comparison
  readonly checks: readonly EvaluationCheck[]
  readonly paid: Paid
}

/** A stored verdict. The newest one of a key is in force; the older ones are kept. */
export interface Verdict extends EvidenceKey {
  readonly id: string
  readonly verdict: EvaluationVerdict
  /** What spoke against it or is worth knowing, in words; bounded. */
  readonly reasons: readonly string[]
  /** Same interface, but the outputs moved beyond the policy's margin. */
  readonly shifting: boolean
  readonly report: EvaluationReport
  readonly evaluationId: string
  readonly at: number
}
