/** Money that calls may cost together: what was paid, and what those in flight may cost at most. */
export class EvaluationBudget {
  readonly limitUsd: number
  private paid: number
  private reserved = 0
  private open = 0
  private waiting: (() => void)[] = []

  constructor(limitUsd: number, paidUsd: number) {
    this.limitUsd = limitUsd
    this.paid = paidUsd
  }

  get paidUsd(): number {
    return this.paid
  }

  /**
   * Waits while the calls in flight may still turn out cheaper than feared. False: even when all are paid, a call that
   * costs its worst would go over the limit.
   */
  async reserve(worstUsd: number): Promise<boolean> {
    while (this.paid + this.reserved + worstUsd > this.limitUsd) {
      if (this.open === 0) return this.paid + worstUsd <= this.limitUsd && this.take(worstUsd)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    return this.take(worstUsd)
  }

  /** A reserved call has ended. */
  settle(worstUsd: number, paidUsd: number): void {
    this.open -= 1
    this.reserved = this.open === 0 ? 0 : this.reserved - worstUsd
    this.paid += paidUsd
    const woken = this.waiting
    this.waiting = []
    for (const wake of woken) wake()
  }

  private take(worstUsd: number): true {
    this.open += 1
    this.reserved += worstUsd
    return true
  }
}
