import { EvaluationBudget } from '../../../src/store/evaluation-budget'

describe('the budget of an evaluation', () => {
  it('waits for calls in flight that may turn out cheaper, and is used to its end', async () => {
    const budget = new EvaluationBudget(1, 0.5)
    expect(await budget.reserve(0.4)).toBe(true)
    const second = budget.reserve(0.4)
    budget.settle(0.4, 0.05)
    expect(await second).toBe(true)
    budget.settle(0.4, 0.1)
    expect(budget.paidUsd).toBeCloseTo(0.65, 12)
  })

  it('refuses what may go over the limit once nothing is in flight any more', async () => {
    const budget = new EvaluationBudget(1, 0.5)
    expect(await budget.reserve(0.5)).toBe(true)
    const waiting = [budget.reserve(0.3), budget.reserve(0.3)]
    budget.settle(0.5, 0.3)
    expect(await Promise.all(waiting)).toEqual([false, false])
    expect(await budget.reserve(0.2)).toBe(true)
  })

  it('never lets more be spent than its limit, however calls turn out', async () => {
    const limit = 1
    const budget = new EvaluationBudget(limit, 0)
    let allowed = 0
    const lane = async (share: number): Promise<void> => {
      while (await budget.reserve(0.07)) {
        allowed += 1
        await new Promise((resolve) => setImmediate(resolve))
        budget.settle(0.07, 0.07 * share)
      }
    }
    await Promise.all([lane(1), lane(0.5), lane(0.9)])
    expect(budget.paidUsd).toBeLessThanOrEqual(limit)
    expect(budget.paidUsd).toBeGreaterThan(limit - 0.07)
    expect(allowed).toBeGreaterThan(14)
  })
})
