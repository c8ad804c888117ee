import { evalueOf, logMeanExp } from '../stats/log-space'
import { logEvalueRatioAbove } from '../stats/rate-ratio'
import type { TenantEvents } from './live-evidence'
import { factsOf } from './metric'
import type { MaxHarmPolicy, Policy } from './policy'
import { type Judged, judgedByFail, type Situation } from './situation'
import type { EventName } from './telemetry'
import { formatMargin } from './verdict-text'

/** Level of the rule as a whole. Like the sample ratio it takes nothing from the policy's alpha. */
export const maxHarmAlpha = 0.005
/** Tenants looked at: those beyond have fewer events, and so less to show. */
export const maxWatchedTenants = 200

export const defaultMaxHarm: MaxHarmPolicy = { role: 'pause', margin: 0.5, minimumEvents: 5 }
export const maxHarmOf = (policy: Pick<Policy, 'maxHarm'>): MaxHarmPolicy => policy.maxHarm ?? defaultMaxHarm

/**
 * Looks for one tenant badly hurt while the mean is fine. A tenant's e-value is the mean of the conditional binomial ones
 * of the events that the policy guards. The i-th tenant to reach the minimum (told without looking at arms, so the order
 * is no evidence) is tested at alpha / (i (i + 1)), which adds up to alpha however many come; i is at most `eligible`, so
 * eligible × (eligible + 1) / alpha is a threshold for all of them. Exact and anytime-valid, like each e-value.
 */
export function judgeMaxHarm(situation: Situation): readonly Judged[] {
  const { input, strata, ratio } = situation
  const { tenants, policy } = input
  if (tenants === undefined || strata.length === 0 || !input.hasIncumbent) return []
  const { role, margin, minimumEvents } = maxHarmOf(policy)
  const base = { name: 'max_harm', role } as const
  if (ratio.reason === 'ratio_mismatch') {
    const text = 'no tenant can be judged: the traffic does not fit its shares'
    return [{ verdict: { ...base, verdict: 'no_evidence', reason: 'ratio_mismatch', text }, action: 'continue' }]
  }
  const shares = new Map(strata.map(({ seq, slice, share, by }) => [`${seq}/${slice}`, by === 'tenant' ? 0 : share]))
  const events = guardedEvents(policy)
  const ranked = tenants.watched
    .filter((tenant) => conversationsWithEvents(tenant) >= minimumEvents)
    .map((tenant) => ({ tenant, log: evidenceOf(tenant, events, shares, 1 + margin) }))
    .sort((left, right) => right.log - left.log)
  const eligible = Math.max(tenants.eligible, ranked.length)
  const threshold = (Math.max(1, eligible) * (eligible + 1)) / maxHarmAlpha
  const hurt = ranked.filter(({ log }) => log >= Math.log(threshold))
  const first = ranked[0]
  if (first === undefined) {
    const text = `no tenant has ${minimumEvents} conversations with an event yet`
    return [{ verdict: { ...base, verdict: 'no_evidence', reason: 'below_minimum_sample', text }, action: 'continue' }]
  }
  const measured = { ...base, statistic: evalueOf(first.log), threshold }
  if (hurt.length === 0) {
    const text = `none of ${eligible} tenants with ${minimumEvents} or more conversations with an event is hurt beyond ${formatMargin(margin)}`
    return [judgedByFail({ ...measured, verdict: 'pass', reason: 'within_limit', text })]
  }
  return [judgedByFail({ ...measured, verdict: 'fail', reason: 'tenant_harmed', text: harmText(hurt, margin) })]
}

const maxNamed = 5

function harmText(hurt: readonly { readonly tenant: TenantEvents }[], margin: number): string {
  const named = hurt.slice(0, maxNamed).map(({ tenant }) => {
    const candidate = countOf(tenant, 'candidate')
    return `${tenant.tenant} (${candidate} of ${candidate + countOf(tenant, 'incumbent')} events on the candidate)`
  })
  const more = hurt.length > maxNamed ? ` and ${hurt.length - maxNamed} more` : ''
  return `worse by more than ${formatMargin(margin)} for ${named.join(', ')}${more}`
}

function evidenceOf(
  tenant: TenantEvents,
  events: readonly EventName[],
  shares: ReadonlyMap<string, number>,
  ratio: number,
): number {
  return logMeanExp(
    events.map((event) => {
      const counts = tenant.strata.map(({ seq, slice, candidate, incumbent }) => ({
        a: incumbent[event] ?? 0,
        b: candidate[event] ?? 0,
        share: shares.get(`${seq}/${slice}`) ?? 0,
      }))
      return logEvalueRatioAbove(counts, ratio)
    }),
  )
}

/** The events of the policy's guardrails; errors where it guards none. */
function guardedEvents({ guardrails }: Policy): readonly EventName[] {
  const guarded = guardrails.flatMap((guardrail) => {
    const { statistic } = factsOf(guardrail)
    return statistic.kind === 'event' ? [statistic.event] : []
  })
  return guarded.length > 0 ? [...new Set(guarded)] : ['error']
}

const countOf = ({ strata }: TenantEvents, arm: 'candidate' | 'incumbent'): number =>
  strata.reduce((sum, row) => sum + Object.values(row[arm]).reduce((all, count) => all + count, 0), 0)

const conversationsWithEvents = (tenant: TenantEvents): number =>
  countOf(tenant, 'candidate') + countOf(tenant, 'incumbent')
