import fc from 'fast-check'
import { classOf } from '../../../src/domain/diff'
import { schemaKind } from '../../../src/kinds/schema'
import { runs } from '../../support/effort'
import { dice, editSchema, type Making, makeOutput, makeSchema, type Schema } from '../../support/schema-edits'
import { asReader, plainCheck } from '../../support/schema-reader'

const pairs = runs(300)
const outputsPerPair = 60
const itself = (digest: `sha256:${string}`) => digest
const isTaken = (schema: Schema): boolean => schemaKind.schema.safeParse(schema).success

/** Two schemas that the product takes: unlike each other, or one edited into the other. */
function makePair(making: Making): readonly [Schema, Schema] | undefined {
  const { once, roll } = making.dice
  const before = makeSchema(making)
  let after = once(8) ? makeSchema(making) : before
  for (let edits = 1 + roll(3); edits > 0; edits -= 1) after = editSchema(making, after)
  return isTaken(before) && isTaken(after) ? [before, after] : undefined
}

describe('the class of a schema change', () => {
  it('is never understated: readers of the old outputs can read all that a safe change lets out', () => {
    const seen = { pairs: 0, safe: 0, outputs: 0 }
    const check = (seed: number) => {
      const making = { dice: dice(seed), draft07: seed % 3 === 0 }
      const pair = makePair(making)
      if (pair === undefined) return
      const [before, after] = pair
      seen.pairs += 1
      if (classOf(schemaKind.diff(before, after, itself)) === 'breaking') return
      seen.safe += 1
      const [lets, reads] = [plainCheck(after), plainCheck(asReader(before))]
      for (let count = 0; count < outputsPerPair; count += 1) {
        const output = makeOutput(making, after, after)
        if (!lets(output)) continue
        seen.outputs += 1
        if (!reads(output)) throw new Error(JSON.stringify({ before, after, output }))
      }
    }
    fc.assert(fc.property(fc.integer({ min: 0 }), check), { numRuns: pairs * 2 })
    expect(seen.pairs).toBeGreaterThan(pairs / 2)
    expect(seen.safe).toBeGreaterThan(pairs / 20)
    expect(seen.outputs).toBeGreaterThan(pairs)
  })
})
