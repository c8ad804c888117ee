import fc from 'fast-check'
import { BoundedQueue } from '../../src/sdk/bounded-queue'

const bound = 7
const step = fc.oneof(
  fc.constant({ kind: 'push' } as const),
  fc.nat(5).map((count) => ({ kind: 'take', count }) as const),
  fc.nat(9).map((count) => ({ kind: 'takeAndPutBack', count }) as const),
)

describe('the bounded queue', () => {
  it('keeps the newest in their order, and counts what had to go', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new BoundedQueue<number>(bound)
        let model: number[] = []
        let next = 0
        const trimmed = () => {
          const excess = Math.max(0, model.length - bound)
          model = model.slice(excess)
          return excess
        }
        for (const one of steps) {
          if (one.kind === 'push') {
            model.push(next)
            expect(queue.push(next++)).toBe(trimmed())
          } else {
            const taken = queue.take(one.count)
            expect(taken).toEqual(model.splice(0, one.count))
            if (one.kind === 'takeAndPutBack') {
              model.push(next)
              expect(queue.push(next++)).toBe(trimmed())
              model = [...taken, ...model]
              expect(queue.putBack(taken)).toBe(trimmed())
            }
          }
          expect(queue.size).toBe(model.length)
        }
        expect(queue.take(bound)).toEqual(model)
      }),
    )
  })
})
