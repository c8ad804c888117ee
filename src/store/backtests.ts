import {
  type Backtest,
  type BacktestEnd,
  type BacktestOutcome,
  backtest,
  outcomeOf,
  type RecordedLook,
} from '../domain/backtest'
import type { Assessment, AssessmentInput } from '../domain/guardrail'
import type { Policy } from '../domain/policy'
import type { PlannedStep } from '../domain/rollout'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from './catalog'
import { type Decision, decidingCode, type ReleaseRecord, type Releases } from './releases'

export interface BacktestDeps {
  readonly catalog: Pick<Catalog, 'byDigest'>
  readonly releases: Pick<Releases, 'get' | 'list' | 'plan' | 'decisions' | 'verifyDecisions'>
}

/** One release under another policy: what happened, what would have, and what that rests on. */
export interface ReleaseBacktest extends Backtest {
  readonly release: string
  readonly task: string
  readonly createdAt: number
  readonly end: BacktestEnd
  readonly outcome: BacktestOutcome
  /** The policy that it had, and the one that is asked. */
  readonly hadPolicy?: Digest
  readonly policy: Digest
  /** Versions of the code that decided then, and of the one that judges now. */
  readonly decidedBy: readonly string[]
  readonly judgedBy: string
}

/** A release in a table of many. */
export type BacktestSummary = Omit<ReleaseBacktest, 'looks'> & { readonly looks: number }

/** Old releases under another policy. Nothing is written, and nothing but decision records is read. */
export interface Backtests {
  /** Throws not_found, unknown_ref, and chain_broken where a stored decision was altered. */
  release(id: string, policy: Digest): Promise<ReleaseBacktest>
  /** The last releases of a task, the newest first. */
  task(task: string, policy: Digest, last: number): Promise<readonly BacktestSummary[]>
}

/** A release has at most some six hundred kept looks, a decision a step, and pauses. */
const maxDecisions = 5_000
const decisionPage = 100

export function createBacktests(deps: BacktestDeps): Backtests {
  async function release(id: string, digest: Digest): Promise<ReleaseBacktest> {
    const record = await deps.releases.get(id)
    const { content } = await deps.catalog.byDigest('policy', digest)
    return backtestOf(deps, record, { digest, policy: content as Policy })
  }
  return {
    release,
    async task(task, digest, last) {
      const { content } = await deps.catalog.byDigest('policy', digest)
      const rows: BacktestSummary[] = []
      for (const record of await deps.releases.list({ task, limit: last })) {
        const { looks, ...found } = await backtestOf(deps, record, { digest, policy: content as Policy })
        rows.push({ ...found, looks: looks.length })
      }
      return rows
    },
  }
}

interface AskedPolicy {
  readonly digest: Digest
  readonly policy: Policy
}

async function backtestOf(
  deps: BacktestDeps,
  record: ReleaseRecord,
  { digest, policy }: AskedPolicy,
): Promise<ReleaseBacktest> {
  await deps.releases.verifyDecisions(record.id)
  const decisions = await everyDecision(deps, record.id)
  const looks = looksOf(decisions)
  const found = backtest(looks, policy)
  const end = endOf(record, decisions, looks)
  const had = record.plan === undefined ? undefined : (await deps.releases.plan(record.plan)).policy
  return {
    release: record.id,
    task: record.task,
    createdAt: record.createdAt,
    end,
    outcome: outcomeOf(found, end),
    ...(had === undefined ? {} : { hadPolicy: had }),
    policy: digest,
    decidedBy: [...new Set(decisions.map(({ code }) => code))],
    judgedBy: decidingCode,
    ...found,
  }
}

async function everyDecision({ releases }: BacktestDeps, id: string): Promise<readonly Decision[]> {
  const found: Decision[] = []
  while (found.length < maxDecisions) {
    const page = await releases.decisions(id, { after: found.at(-1)?.seq ?? 0, limit: decisionPage })
    found.push(...page)
    if (page.length < decisionPage) return found
  }
  throw new SluiceError('payload_too_large', `The release ${id} has more than ${maxDecisions} decisions.`)
}

/** Evidence of decisions: a pause has its judgement beside its causes, all others have it in `judged`. */
interface StoredEvidence {
  readonly input?: AssessmentInput
  readonly assessment?: Assessment
  readonly judged?: { readonly input: AssessmentInput; readonly assessment: Assessment }
  readonly step?: PlannedStep
}

/** Decisions that rest on live evidence, each with the step that was in force. */
export function looksOf(decisions: readonly Decision[]): readonly RecordedLook[] {
  const begun = new Map<string, { readonly name: string; readonly at: number }>()
  const looks: RecordedLook[] = []
  for (const { seq, at, kind, evidence } of decisions) {
    const { step, ...stored } = (evidence ?? {}) as StoredEvidence
    const { input, assessment } = stored.judged ?? stored
    if (input !== undefined && assessment !== undefined && isLook(kind)) {
      const inForce = input.step && begun.get(input.step.environment)
      const place = inForce === undefined ? {} : { step: inForce.name, elapsedMs: at - inForce.at }
      looks.push({ seq, at, kind, input, assessment, ...place })
    }
    if (kind === 'advance' && step !== undefined) begun.set(step.environment, { name: step.name, at })
  }
  return looks
}

const lookKinds = [
  'assessment',
  'advance',
  'settle',
  'pause',
  'rollback',
] as const satisfies readonly Decision['kind'][]
const isLook = (kind: Decision['kind']): kind is RecordedLook['kind'] =>
  (lookKinds as readonly Decision['kind'][]).includes(kind)

/** A task that somebody disabled pauses its release too, which says nothing of the candidate. */
function endOf({ phase }: ReleaseRecord, decisions: readonly Decision[], looks: readonly RecordedLook[]): BacktestEnd {
  return {
    phase,
    rolledBackByGuardrail: decisions.some(({ kind, by }) => kind === 'rollback' && by === 'guardrail'),
    pausedByGuardrail: looks.some(({ kind, assessment }) => kind === 'pause' && assessment.action === 'pause'),
  }
}
