import type { FrozenThresholds } from '../domain/allocation'
import { type Branch, branchText, maxBranchLength } from '../domain/branch'
import { isId } from '../domain/bucket'
import type { EngineContent } from '../domain/contents'
import { isRecord, own } from '../domain/diff'
import type { RouterContent } from '../domain/pipeline-contents'
import { type Cost, costOf } from '../domain/pricing'
import { type EventName, type Outcome, outcomes, type RequestRecord } from '../domain/telemetry'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { PromptValue } from '../kinds/prompt-render'
import type { Serving } from './serving'

/** What an application tells of one request. Amounts that are absent are zero, but for the cost. */
export interface Report {
  /** Unique per request; the key of the request log. Absent: one is made. */
  readonly requestId?: string
  readonly outcome: Outcome
  readonly latencyMs: number
  readonly inputTokens?: number
  readonly cachedTokens?: number
  readonly outputTokens?: number
  /** USD as billed. Absent: from the tokens and the pinned engine's prices. */
  readonly costUsd?: number
  /** The price-equivalent without the provider's prompt cache. Absent: derived in the same way. */
  readonly uncachedCostUsd?: number
  /** The parsed output: an `ok` whose output does not fit the served schema counts as `schema_failure`. */
  readonly output?: unknown
  /** The values that the prompt was rendered with: kept, encrypted, where the lane captures (docs/explain.md), else unused. */
  readonly input?: Readonly<Record<string, PromptValue>>
  /** As the provider returned them; some return `null` for none. */
  readonly model?: string | null
  readonly fingerprint?: string | null
  /** Which way the router sent it, as `run` tells: the candidate's prices count where `costUsd` is absent. */
  readonly branch?: Branch
}

/** A report with every amount known and possible. */
export interface Amounts {
  readonly latencyMs: number
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
}

const most = { latencyMs: 1e10, tokens: 1e9, costUsd: 1e5 }
const maxTextLength = 200

/** Throws `invalid_telemetry`, naming the amounts that cannot be true. */
export function amountsOf(report: Report, engine: EngineContent | undefined): Amounts {
  const { latencyMs, inputTokens = 0, cachedTokens = 0, outputTokens = 0 } = report
  const usage = { inputTokens, cachedTokens, outputTokens }
  const priced = engine ? costOf(engine.pricePerMillion, usage) : noCost
  const costUsd = report.costUsd ?? priced.costUsd
  const uncachedCostUsd = report.uncachedCostUsd ?? uncachedOf(costUsd, priced)
  const isPossible =
    isAmount(latencyMs, most.latencyMs) &&
    isCount(inputTokens) &&
    isCount(cachedTokens) &&
    isCount(outputTokens) &&
    isAmount(costUsd, most.costUsd) &&
    isAmount(uncachedCostUsd, most.costUsd) &&
    isOutcome(report.outcome) &&
    isRequestId(report.requestId) &&
    isText(report.model) &&
    isText(report.fingerprint)
  const amounts = { latencyMs, inputTokens, cachedTokens, outputTokens, costUsd, uncachedCostUsd }
  if (!isPossible) throw refusal(report, amounts)
  return amounts
}

/** Names what cannot be true. */
function refusal(report: Report, amounts: Amounts): SluiceError {
  const { latencyMs, costUsd, uncachedCostUsd, ...tokens } = amounts
  const fields = [
    ...(isAmount(latencyMs, most.latencyMs) ? [] : ['latencyMs']),
    ...Object.entries(tokens).flatMap(([name, value]) => (isCount(value) ? [] : [name])),
    ...(isAmount(costUsd, most.costUsd) ? [] : ['costUsd']),
    ...(isAmount(uncachedCostUsd, most.costUsd) ? [] : ['uncachedCostUsd']),
    ...(isOutcome(report.outcome) ? [] : ['outcome']),
    ...(isRequestId(report.requestId) ? [] : ['requestId']),
    ...(isText(report.model) ? [] : ['model']),
    ...(isText(report.fingerprint) ? [] : ['fingerprint']),
  ]
  return new SluiceError('invalid_telemetry', `The report is refused: ${fields.join(', ')} cannot be true.`, { fields })
}

const noCost: Cost = { costUsd: 0, uncachedCostUsd: 0 }
const isCount = (value: number): boolean => isAmount(value, most.tokens) && Number.isInteger(value)
const isText = (text: unknown): boolean =>
  text === undefined || text === null || (typeof text === 'string' && text.length <= maxTextLength)
/** Most are `ok`, which takes no search. */
const isOutcome = (outcome: Outcome): boolean => outcome === 'ok' || outcomes.includes(outcome)
const isRequestId = (id: unknown): boolean => id === undefined || isId(id)

/**
 * The engine whose prices a report goes by. Throws `invalid_telemetry` where a router chose it and the report tells
 * neither which nor the cost: a guess would be a wrong cost.
 */
export function pricedEngine(serving: Serving, { branch, costUsd, outcome }: Report): EngineContent | undefined {
  const router = serving.ofKind<RouterContent>('router')
  if (router === undefined) return serving.ofKind('engine')
  const digest = branch && own(router.candidates, branch.candidate)
  if (digest !== undefined) return serving.referred(digest as Digest) as EngineContent
  if (costUsd !== undefined || outcome === 'filtered') return undefined
  const text = 'The report is refused: a router chose the engine, so it has to tell `branch` or `costUsd`.'
  throw new SluiceError('invalid_telemetry', text, { fields: ['branch', 'costUsd'] })
}

const isAmount = (value: number, limit: number): boolean => typeof value === 'number' && value >= 0 && value <= limit

/** A bill that differs from the list price is scaled like the list price. */
const uncachedOf = (costUsd: number, priced: Cost): number =>
  priced.costUsd > 0 ? (costUsd * priced.uncachedCostUsd) / priced.costUsd : costUsd

/** The 0/1 facts that one request makes true of its conversation. */
export function eventsOf(
  outcome: Outcome,
  amounts: Amounts,
  thresholds: FrozenThresholds | undefined,
): readonly EventName[] {
  const failure = outcome === 'error' || outcome === 'schema_failure' ? outcome : undefined
  const isCostly = thresholds !== undefined && amounts.uncachedCostUsd > thresholds.costUsd
  const isSlow = thresholds !== undefined && amounts.latencyMs > thresholds.latencyMs
  if (failure === undefined && !isCostly && !isSlow) return noEvents
  return [
    ...(failure === undefined ? [] : [failure]),
    ...(isCostly ? (['cost_exceeded'] as const) : []),
    ...(isSlow ? (['latency_exceeded'] as const) : []),
  ]
}

/** Of most requests. */
const noEvents: readonly EventName[] = []

/** What is known of a request beside its serving. */
interface Told {
  readonly requestId: string
  /** By the server's clock. */
  readonly at: number
  readonly outcome: Outcome
  readonly amounts: Amounts
}

/** The most that the server takes, about 115 days: a longer age, or one that nobody knows, must not cost the record. */
const maxToldAgeMs = 1e10

/** The row of the request log. Throws `invalid_telemetry` where the branch is none. */
export function recordOf(serving: Serving, { requestId, at, outcome, amounts }: Told, report: Report): RequestRecord {
  const record: { -readonly [K in keyof RequestRecord]: RequestRecord[K] } = {
    requestId,
    task: serving.task,
    seq: serving.seq,
    slice: serving.slice,
    arm: serving.arm,
    composite: serving.composite.id,
    tenant: serving.tenant,
    conversation: serving.conversation,
    reason: serving.reason,
    binding: serving.binding,
    at,
    outcome,
    latencyMs: amounts.latencyMs,
    inputTokens: amounts.inputTokens,
    cachedTokens: amounts.cachedTokens,
    outputTokens: amounts.outputTokens,
    costUsd: amounts.costUsd,
    uncachedCostUsd: amounts.uncachedCostUsd,
    cacheAgeMs: Math.min(serving.cacheAgeMs, maxToldAgeMs),
    headSeq: serving.headSeq,
    tenantSeq: serving.tenantSeq,
    stale: serving.stale,
  }
  if (typeof report.model === 'string') record.model = report.model
  if (typeof report.fingerprint === 'string') record.fingerprint = report.fingerprint
  if (report.branch !== undefined) record.branch = toldBranch(report.branch)
  return record
}

function toldBranch(branch: Branch): string {
  const text = isBranch(branch) ? branchText(branch) : ''
  if (text !== '' && text.length <= maxBranchLength) return text
  const fault = 'The report is refused: `branch` is not as `run` tells it.'
  throw new SluiceError('invalid_telemetry', fault, { fields: ['branch'] })
}

const isBranch = (branch: unknown): boolean =>
  isRecord(branch) &&
  typeof branch.candidate === 'string' &&
  ways.includes(branch.by) &&
  isAbsentOr('number', branch.rule) &&
  isAbsentOr('string', branch.label) &&
  isAbsentOr('number', branch.fallback)
const ways: readonly unknown[] = ['rule', 'label', 'default', 'classifier_failed'] satisfies readonly Branch['by'][]
const isAbsentOr = (type: 'number' | 'string', value: unknown): boolean => value === undefined || typeof value === type
