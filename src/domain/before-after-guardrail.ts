import { differenceInDifferences } from '../stats/difference-in-differences'
import { type BeforeAfterLook, firstLookMs, maxBeforeAfterLooks, minimumConversations } from './before-after'
import type { AssessmentInput, GuardrailVerdict } from './guardrail'
import type { BeforeAfterPolicy, Policy } from './policy'
import { type Judged, judgedByFail } from './situation'
import { formatMargin } from './verdict-text'

export interface BeforeAfterInput extends Pick<AssessmentInput, 'beforeAfter' | 'hasIncumbent'> {
  readonly policy: Pick<Policy, 'alpha' | 'beforeAfter'>
}

const leastPValue = 1e-12

/**
 * Tenants that have the candidate alone have no control of their own slice: how they changed is held against how the
 * others changed meanwhile. Nobody was drawn, so it is a hint and no proof: it tells, and never stops anything. A fail stays
 * for the release. Each of at most `maxBeforeAfterLooks` looks is at that part of alpha (Bonferroni): P(ever a false alarm)
 * ≤ alpha, as far as the t test holds and both groups would have changed alike.
 */
export function judgeBeforeAfter(input: BeforeAfterInput): readonly Judged[] {
  const { policy, beforeAfter: looks, hasIncumbent } = input
  const rule = policy.beforeAfter
  if (rule === undefined) return []
  const base = { name: 'before_after', role: rule.role } as const
  const told = (rest: Omit<GuardrailVerdict, 'name' | 'role'>): readonly Judged[] => [
    judgedByFail({ ...base, ...rest }),
  ]
  if (!hasIncumbent) {
    return told({ verdict: 'not_applicable', reason: 'no_incumbent', text: 'nothing was served before' })
  }
  if (looks === undefined) {
    const text = 'no tenants have the candidate alone'
    return told({ verdict: 'not_applicable', reason: 'no_control', text })
  }
  const last = looks.at(-1)
  if (last === undefined) {
    const text = `the first look is due ${firstLookMs / 60_000} min after the first exposure`
    return told({ verdict: 'no_evidence', reason: 'no_traffic', text })
  }
  const threshold = maxBeforeAfterLooks / policy.alpha
  const measured = looks.flatMap((look) => measure(look, rule))
  const failed = measured.find(({ statistic }) => statistic >= threshold)
  if (failed !== undefined) {
    const text = `${failed.text}: worse than the margin of ${formatMargin(rule.margin)}`
    return told({ ...failed, threshold, verdict: 'fail', reason: 'worse_than_before', text })
  }
  const newest = measure(last, rule)[0]
  if (newest === undefined)
    return told({ verdict: 'no_evidence', reason: 'below_minimum_sample', text: shortText(last, rule) })
  const text = `${newest.text}: not shown to be worse than the margin of ${formatMargin(rule.margin)}`
  return told({ ...newest, threshold, verdict: 'pass', reason: 'within_limit', text })
}

/** Nothing where the look has too few tenants. */
function measure({ exposed, control }: BeforeAfterLook, { margin, minimumTenants, metric }: BeforeAfterPolicy) {
  if (Math.min(exposed.n, control.n) < minimumTenants) return []
  const found = differenceInDifferences(exposed, control, 1 + margin)
  if (found === undefined) return []
  const [before, after] = [exposed.sumA / exposed.n, exposed.sumB / exposed.n]
  const [otherBefore, otherAfter] = [control.sumA / control.n, control.sumB / control.n]
  const text =
    `${metric} of ${exposed.n} exposed tenants ${percent(before)} before, ${percent(after)} after; ` +
    `of ${control.n} others ${percent(otherBefore)}, ${percent(otherAfter)}`
  const expected = before + otherAfter - otherBefore
  return [{ candidate: after, incumbent: expected, statistic: 1 / Math.max(leastPValue, found.pValue), text }]
}

function shortText({ exposed, control, cut }: BeforeAfterLook, { minimumTenants }: BeforeAfterPolicy): string {
  if (cut) return 'the conversations by tenant are too many to count in time'
  const has = `${exposed.n} exposed tenants and ${control.n} others have ${minimumConversations} conversations before and after`
  return `${has}, ${minimumTenants} of each are needed`
}

const percent = (rate: number): string => `${Number((100 * rate).toPrecision(3))} %`
