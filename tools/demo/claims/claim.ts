import type { Facts } from '../facts'

/** What a claim found. It holds where nothing speaks against it. */
export interface Finding {
  /** The numbers behind it, in one line. */
  readonly figures: string
  /** What speaks against it, each in one line. */
  readonly faults: readonly string[]
}

/** One sentence of the summary, and how it is checked. */
export interface Claim {
  readonly text: string
  check(facts: Facts): Finding | Promise<Finding>
}
