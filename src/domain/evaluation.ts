import type { GroupedEstimate, GroupedTest } from '../stats/grouped'
import type { Branch } from './branch'
import type { FigureEstimate, Parts } from './figures'
import type { TokenUsage } from './pricing'
import type { ProviderPair } from './provider-change'
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
  /** Scorer name → why there is no evidence on this case; such a case counts neither as right nor as wrong. */
  readonly unscored?: Readonly<Record<string, string>>
  /** Scorer name → what the case adds to the figures of that scorer. */
  readonly parts?: Readonly<Record<string, Parts>>
  /** Every gate scorer gave the score that it takes to pass. */
  readonly passed: boolean
  /** A gate scorer has no evidence and no other one failed. */
  readonly undecided?: true
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
  /** Which way the router sent it; absent without a router. */
  readonly branch?: Branch
  /** Who answered the router's question, where it asked one. */
  readonly classifier?: Pick<ProviderPair, 'model' | 'fingerprint'>
}

/** What the provider said it ran, how often and when: more than one under one engine version is drift. */
export interface EngineSeen {
  readonly model: string
  readonly fingerprint: string
  /** Of a router: the candidate that is this engine, or its classifier. */
  readonly candidate?: string
  readonly results: number
  /** First and last call that it answered, milliseconds since the epoch; absent in reports of earlier versions. */
  readonly from?: number
  readonly to?: number
}

/** The cases that a router sent one way. */
export interface BranchReport {
  /** `rule 0: large`, `label hard: large, fallback 0`. */
  readonly branch: string
  readonly results: number
  /** Of the results that the arm has an answer to. */
  readonly share: number
  readonly accuracy: GroupedEstimate
  readonly schemaCompliance: GroupedEstimate
  readonly latencyMeanMs: number
  readonly costMeanUsd: number
}

/** One composite on the suite. Shares are 0..1 with 95 % intervals by group. */
export interface ArmReport {
  readonly composite: Digest
  readonly results: number
  readonly errors: number
  readonly fromStore: number
  readonly accuracy: GroupedEstimate
  readonly scores: Readonly<Record<string, GroupedEstimate>>
  /** What scorers tell over all cases beside their mean: precision, recall, F1, by field or by class. */
  readonly figures?: readonly FigureEstimate[]
  /** Scorer → cases without evidence, which its mean leaves out; absent where there are none. */
  readonly unscored?: Readonly<Record<string, number>>
  readonly passed: GroupedEstimate
  readonly schemaCompliance: GroupedEstimate
  readonly tokens: { readonly inputMean: number; readonly cachedMean: number; readonly outputMean: number }
  /** Of the calls themselves, once each: reading a stored result again measures nothing. */
  readonly latency?: { readonly p50Ms: number; readonly p95Ms: number; readonly from: number; readonly to: number }
  readonly cost: { readonly totalUsd: number; readonly meanUsd: number; readonly uncachedMeanUsd: number }
  readonly engines: readonly EngineSeen[]
  /** The most used first; absent without a router. */
  readonly branches?: readonly BranchReport[]
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
  /** Absent in reports of earlier versions. */
  readonly detail?: ShiftDetail
}

/** How much of a field moved, and how. */
export interface ShiftDetail {
  /**
   * What a margin is held against. `changed_share`: the share of pairs in which the value differs. Of a number with many
   * values the larger of two: `distance`, the largest difference of the two distribution functions (Kolmogorov and
   * Smirnov), and `one_sided`, the share of pairs that have a number on one side alone.
   */
  readonly measure: 'changed_share' | 'distance' | 'one_sided'
  readonly moved: number
  /** 95 % interval of the share of pairs that differ, by group. */
  readonly changed: GroupedEstimate
  /** Classes with their shares in both arms, the most moved first; of booleans, categories and numbers of few values. */
  readonly mix?: readonly ClassShare[]
  /** Of numbers: quantiles in both arms. */
  readonly spread?: { readonly before: Spread; readonly after: Spread }
  /** Of numbers and booleans: after minus before, paired by case and tested by group; absent where one group has them. */
  readonly difference?: GroupedTest
  /** The first pairs that differ; none of free text. */
  readonly examples: readonly ShiftExample[]
}

export interface ClassShare {
  /** As JSON; `absent` where the key is not there. */
  readonly value: string
  readonly before: number
  readonly after: number
}

export interface Spread {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

export interface ShiftExample {
  readonly caseId: string
  readonly repeat: number
  /** As JSON, cut to a readable length. */
  readonly before: string
  readonly after: string
}

/** Whether one field moved beyond the policy's margin. */
export interface FieldVerdict {
  readonly field: string
  readonly verdict: EvaluationVerdict | 'not_applicable'
  readonly reason: string
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
  /** Pairs that were answered, and those whose outputs are JSON objects; absent in reports of earlier versions. */
  readonly comparable?: { readonly answered: number; readonly incumbent: number; readonly both: number }
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
  'scored',
  'accuracy',
  'schema_compliance',
  'regression',
  'tokens',
  'latency',
  'cost',
  'output_shift',
] as const
export type CheckName = (typeof checkNames)[number]

/** An engine that judged, by the digest of its version: who answered for it. */
export interface JudgeSeen {
  readonly engine: Digest
  readonly engines: readonly EngineSeen[]
}

/** What this run called and paid. */
export interface Paid {
  readonly calls: number
  readonly results: number
  readonly costUsd: number
  /** Calls of this evaluation and earlier ones that left no result: at most so many were paid for twice. */
  readonly lostCalls: number
  /** What judging cost, beside the above; absent where the suite asks no judge. */
  readonly judges?: JudgesPaid
}

/** Judgements are kept by what was asked of whom, so that the same question is paid once, in whatever suite. */
export interface JudgesPaid {
  /** Calls of this run. */
  readonly calls: number
  /** Answers that this evaluation paid for, and what they cost, over all its runs. */
  readonly answers: number
  readonly costUsd: number
  /** Calls of these judges, in this evaluation and others, that left no answer. */
  readonly lostCalls: number
  /** Why not every output was judged. */
  readonly stopped?: string
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
  /** Field by field, what the check `output_shift` found; absent in reports of earlier versions. */
  readonly shifts?: readonly FieldVerdict[]
  readonly checks: readonly EvaluationCheck[]
  readonly paid: Paid
  /** Absent where no answer of a judge counts. */
  readonly judges?: readonly JudgeSeen[]
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
