import { type PairedMoments, pairedDifference } from './paired-difference'
import { studentCdf } from './student-t'

export interface DifferenceInDifferences {
  /** By how much the treated changed more than a growth by `factor` of what they would have come to. */
  readonly estimate: number
  readonly standardError: number
  /** Degrees of freedom after Welch and Satterthwaite. */
  readonly freedom: number
  /** One-sided, against "no worse than the factor". */
  readonly pValue: number
}

/** Sums of values at most 1 that are equal come to differ by this much through rounding. */
const rounding = 1e-9

/**
 * Difference in differences (Card & Krueger 1994): the change of the treated against the change of the control in the same
 * time. A pair is one *group* (a tenant), A its value before and B after: collapsed to one pair each, since observations
 * of one group depend on one another over time, and a test on them finds effects that are none (Bertrand, Duflo &
 * Mullainathan 2004, section IV). `factor` 1 asks for any growth beyond the control's; 1.25 tolerates a quarter of what
 * the treated would have come to. Welch's t on group changes: about exact for *one* look, if both groups would have
 * changed alike (parallel trends), which no data can show. Absent below two groups on either side.
 */
export function differenceInDifferences(
  treated: PairedMoments,
  control: PairedMoments,
  factor: number,
): DifferenceInDifferences | undefined {
  const own = pairedDifference(treated, factor)
  const shared = pairedDifference(control, 1)
  if (own === undefined || shared === undefined) return undefined
  const estimate = own.estimate - factor * shared.estimate
  const scaled = factor * factor * shared.variance
  const variance = own.variance + scaled
  const standardError = Math.sqrt(variance)
  const least = Math.min(treated.n, control.n) - 1
  if (!(variance > 0)) return { estimate, standardError: 0, freedom: least, pValue: estimate > rounding ? 0 : 1 }
  const freedom = variance ** 2 / (own.variance ** 2 / (treated.n - 1) + scaled ** 2 / (control.n - 1))
  // Tiny variances underflow in the ratio; the smaller side's freedom is never too much.
  const safe = Number.isFinite(freedom) ? Math.max(least, freedom) : least
  return { estimate, standardError, freedom: safe, pValue: 1 - studentCdf(estimate / standardError, safe) }
}
