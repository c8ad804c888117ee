import { assertNever } from '../errors'
import type { GuardrailVerdict, Spend } from './guardrail'
import type { BreakerPolicy } from './policy'
import type { BreakerWindow } from './telemetry'
import { formatDuration, formatUsd, formatValue } from './verdict-text'

/** The candidate's running totals at one moment, over all reporters and slices. */
export interface BreakerTotals {
  readonly requests: number
  readonly errors: number
  readonly costUsd: number
}

/**
 * What happened between two readings of the totals. Totals only grow; a reading that is behind the earlier one (a replica of
 * the store that lags) counts as nothing new instead of as less than nothing.
 */
export function windowBetween(earlier: BreakerTotals, later: BreakerTotals, windowMs: number): BreakerWindow {
  return {
    windowMs,
    requests: Math.max(0, later.requests - earlier.requests),
    errors: Math.max(0, later.errors - earlier.errors),
    costUsd: Math.max(0, later.costUsd - earlier.costUsd),
  }
}

/** Absolute limits on the candidate. They need no control and no sample, and always have the role `rollback`. */
export function judgeBreakers(
  breakers: readonly BreakerPolicy[],
  windows: readonly BreakerWindow[],
  spend: Spend,
  of: 'candidate' | 'incumbent' = 'candidate',
): readonly GuardrailVerdict[] {
  let nextWindow = 0
  return breakers.flatMap((breaker) => {
    switch (breaker.kind) {
      case 'errors': {
        const window = windows[nextWindow]
        nextWindow += 1
        return [judgeErrors(breaker, window, of)]
      }
      case 'budget':
        return [
          ...judgeBudget({ name: 'budget_per_hour', span: 'the last hour', of }, spend.lastHourUsd, breaker.usdPerHour),
          ...judgeBudget(
            { name: 'budget_per_release', span: 'this release', of },
            spend.releaseUsd,
            breaker.usdPerRelease,
          ),
          ...judgeBudget(
            { name: 'budget_per_tenant', span: tenantSpan(spend), of },
            spend.topTenant?.usd ?? 0,
            breaker.usdPerTenant,
          ),
        ]
      default:
        return assertNever(breaker)
    }
  })
}

const tenantSpan = ({ topTenant }: Spend): string =>
  topTenant === undefined ? 'this release for any tenant' : `this release for ${topTenant.tenant}`

function judgeErrors(
  breaker: Extract<BreakerPolicy, { kind: 'errors' }>,
  window: BreakerWindow | undefined,
  of: 'candidate' | 'incumbent',
): GuardrailVerdict {
  const base = { name: 'error_breaker', role: 'rollback' } as const
  const requests = window?.requests ?? 0
  const errors = window?.errors ?? 0
  const span = formatDuration(breaker.windowMs)
  if (!(requests > 0)) {
    return { ...base, verdict: 'no_evidence', reason: 'no_traffic', text: `no ${of} requests in the last ${span}` }
  }
  const rate = errors / requests
  const limit = `the limit is ${breaker.minCount} at ${formatValue(breaker.minRate, 'share')} or more`
  const seen = `${errors} of ${requests} ${of} requests failed in the last ${span} (${formatValue(rate, 'share')})`
  const broken = errors >= breaker.minCount && rate >= breaker.minRate
  return {
    ...base,
    verdict: broken ? 'fail' : 'pass',
    reason: broken ? 'absolute_limit' : 'within_limit',
    candidate: rate,
    statistic: errors,
    threshold: breaker.minCount,
    text: `${seen}: ${limit}`,
  }
}

function judgeBudget(
  { name, span, of }: { readonly name: string; readonly span: string; readonly of: 'candidate' | 'incumbent' },
  spentUsd: number,
  limitUsd: number | undefined,
): readonly GuardrailVerdict[] {
  if (limitUsd === undefined) return []
  if (!Number.isFinite(spentUsd)) {
    const text = `what the ${of} spent in ${span} is not known`
    return [{ name, role: 'rollback', verdict: 'no_evidence', reason: 'reporters_silent', text }]
  }
  const broken = spentUsd > limitUsd
  return [
    {
      name,
      role: 'rollback',
      verdict: broken ? 'fail' : 'pass',
      reason: broken ? 'absolute_limit' : 'within_limit',
      candidate: spentUsd,
      statistic: spentUsd,
      threshold: limitUsd,
      text: `the ${of} spent ${formatUsd(spentUsd)} in ${span}: the limit is ${formatUsd(limitUsd)}`,
    },
  ]
}
