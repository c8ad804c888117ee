import { assess } from './analysis'
import type { Assessment, GuardrailVerdict, VerdictReason } from './guardrail'
import type { Policy } from './policy'
import { type NotRecorded, type RecordedEvidence, recast } from './recorded-evidence'
import type { ReleasePhase } from './release'

/** A moment of a release at which the evidence was recorded, and what was said of it then. */
export interface RecordedLook extends RecordedEvidence {
  /** Number of the decision. */
  readonly seq: number
  readonly at: number
  /** `assessment`: a look of the safety clock that was kept; else a decision that was made on it. */
  readonly kind: 'assessment' | 'advance' | 'settle' | 'pause' | 'rollback'
  readonly assessment: Assessment
}

export type BacktestVerdict = Omit<GuardrailVerdict, 'verdict'> & {
  readonly verdict: GuardrailVerdict['verdict'] | 'not_recorded'
}

/** One look, as it was judged and as the other policy judges it. */
export interface BacktestLook {
  readonly seq: number
  readonly at: number
  readonly kind: RecordedLook['kind']
  readonly step?: string
  readonly units: { readonly candidate: number; readonly incumbent: number }
  readonly did: Pick<Assessment, 'action' | 'mayAdvance' | 'verdicts'>
  readonly would: {
    readonly action: Assessment['action']
    readonly mayAdvance: boolean
    readonly waitingFor: readonly VerdictReason[]
    readonly verdicts: readonly BacktestVerdict[]
  }
  /** Of a step that went on then: the other policy would have waited. */
  readonly refused: boolean
  /** The two policies say otherwise of action, advance or any verdict. */
  readonly differs: boolean
  /** It would have been rolled back before: what follows would not have happened. */
  readonly after: boolean
  /** A rollback that was not checked for a source that alone asks for it, since nobody recorded who told what. */
  readonly sourcesNotRecorded: boolean
}

/** A moment in the list of looks, and the look before it: what is told came between the two. */
export interface BacktestMoment {
  readonly seq: number
  readonly at: number
  readonly after?: number
  readonly reasons: readonly string[]
  /** See the look: a rollback that might have been a pause. */
  readonly sourcesNotRecorded: boolean
}

export interface Backtest {
  readonly looks: readonly BacktestLook[]
  readonly firstPause?: BacktestMoment
  readonly firstRollback?: BacktestMoment
  readonly refused: readonly BacktestMoment[]
  readonly notRecorded: readonly { readonly name: string; readonly what: string; readonly looks: number }[]
  /** The longest time between two looks. */
  readonly longestGapMs: number
  /** Looks at which action and every verdict are as they were. */
  readonly same: number
}

/**
 * What a policy would have done with the evidence of a release, look by look. With the policy that the release had it
 * tells what happened: decisions are pure functions of what is recorded.
 */
export function backtest(recorded: readonly RecordedLook[], policy: Policy): Backtest {
  const looks: BacktestLook[] = []
  const missing = new Map<string, { name: string; what: string; looks: number }>()
  for (const look of recorded) {
    const { judged, unknown } = judgeLook(look, policy, isOver(looks))
    looks.push(judged)
    for (const { name, nth, what } of unknown) {
      const key = `${name}/${nth}/${what}`
      missing.set(key, { name, what, looks: (missing.get(key)?.looks ?? 0) + 1 })
    }
  }
  const standing = looks.filter(({ after }) => !after)
  const first = (action: Assessment['action']) => standing.find(({ would }) => would.action === action)
  const gaps = recorded.map(({ at }, index) => at - (recorded[index - 1]?.at ?? at))
  const moment = momentIn(looks)
  return {
    looks,
    ...optional('firstPause', moment(first('pause'))),
    ...optional('firstRollback', moment(first('rollback'))),
    refused: standing.filter(({ refused }) => refused).flatMap((look) => moment(look) ?? []),
    notRecorded: [...missing.values()],
    longestGapMs: Math.max(0, ...gaps),
    same: looks.filter(({ differs }) => !differs).length,
  }
}

const isOver = (looks: readonly BacktestLook[]): boolean => {
  const last = looks.at(-1)
  return last !== undefined && (last.after || last.would.action === 'rollback')
}

const optional = <K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: T })

function judgeLook(look: RecordedLook, policy: Policy, after: boolean) {
  const { input, missing } = recast(look, policy)
  const would = assess(input)
  const verdicts = markMissing(would.verdicts, missing)
  const { action, mayAdvance } = look.assessment
  const goesOn = look.kind === 'advance' || look.kind === 'settle'
  const judged: BacktestLook = {
    seq: look.seq,
    at: look.at,
    kind: look.kind,
    ...optional('step', look.step),
    units: { candidate: would.arms.candidate.units, incumbent: would.arms.incumbent.units },
    did: { action, mayAdvance, verdicts: look.assessment.verdicts },
    would: { action: would.action, mayAdvance: would.mayAdvance, waitingFor: would.waitingFor, verdicts },
    refused: goesOn && mayAdvance && !would.mayAdvance,
    differs:
      action !== would.action || mayAdvance !== would.mayAdvance || said(look.assessment.verdicts) !== said(verdicts),
    after,
    sourcesNotRecorded: would.action === 'rollback' && input.sources === undefined,
  }
  return { judged, unknown: missing }
}

/** A verdict on what nobody recorded is none. */
function markMissing(
  verdicts: readonly GuardrailVerdict[],
  missing: readonly NotRecorded[],
): readonly BacktestVerdict[] {
  const seen = new Map<string, number>()
  const marked = verdicts.map((verdict): BacktestVerdict => {
    const nth = seen.get(verdict.name) ?? 0
    seen.set(verdict.name, nth + 1)
    const gap = missing.find((one) => one.name === verdict.name && one.nth === nth)
    if (gap === undefined) return verdict
    const { name, role, reason } = verdict
    return { name, role, reason, verdict: 'not_recorded', text: `not recorded: ${gap.what}` }
  })
  return marked
}

const said = (verdicts: readonly Pick<BacktestVerdict, 'name' | 'role' | 'verdict' | 'reason'>[]): string =>
  JSON.stringify(verdicts.map(({ name, role, verdict, reason }) => [name, role, verdict, reason]))

const momentIn =
  (looks: readonly BacktestLook[]) =>
  (look: BacktestLook | undefined): BacktestMoment | undefined => {
    if (look === undefined) return undefined
    const before = looks[looks.indexOf(look) - 1]
    const failed = look.would.verdicts.filter(({ verdict }) => verdict === 'fail').map(({ text }) => text)
    const reasons = failed.length > 0 ? failed : look.would.waitingFor
    return {
      seq: look.seq,
      at: look.at,
      ...optional('after', before?.at),
      reasons,
      sourcesNotRecorded: look.sourcesNotRecorded,
    }
  }

/** How a release ended, as far as its guardrails had a hand in it. */
export interface BacktestEnd {
  readonly phase: ReleasePhase
  /** Taken back by a guardrail of its own policy. */
  readonly rolledBackByGuardrail: boolean
  readonly pausedByGuardrail: boolean
}

export type BacktestOutcome =
  /** No look was recorded: nobody was exposed, or the release is of before looks were kept and never advanced. */
  | 'no_evidence'
  | 'same'
  | 'would_have_rolled_back'
  | 'would_not_have_rolled_back'
  | 'would_have_paused'
  | 'would_not_have_paused'
  | 'would_have_waited'

/** The gravest difference between what happened and what would have. */
export function outcomeOf(found: Backtest, end: BacktestEnd): BacktestOutcome {
  if (found.looks.length === 0) return 'no_evidence'
  const rollsBack = found.firstRollback !== undefined
  if (rollsBack !== end.rolledBackByGuardrail) {
    return rollsBack ? 'would_have_rolled_back' : 'would_not_have_rolled_back'
  }
  if (rollsBack) return 'same'
  const pauses = found.firstPause !== undefined
  if (pauses !== end.pausedByGuardrail) return pauses ? 'would_have_paused' : 'would_not_have_paused'
  return found.refused.length > 0 ? 'would_have_waited' : 'same'
}
