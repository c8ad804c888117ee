import fc from 'fast-check'
import type { Serving } from '../../src/sdk'
import { type HeldUnit, HeldUnits } from '../../src/sdk/held-units'

const awkward = ['a', 'b', '__proto__', 'constructor', '1', '01']
const served = fc.record({
  task: fc.constantFrom('csat', '__proto__'),
  tenant: fc.constantFrom(...awkward),
  conversation: fc.constantFrom(...awkward),
  seq: fc.constantFrom(0, 1),
  slice: fc.constantFrom(-1, 0),
  arm: fc.constantFrom('candidate' as const, 'incumbent' as const),
  composite: fc.constantFrom('sha256:a', 'sha256:b'),
})
type Served = typeof served extends fc.Arbitrary<infer T> ? T : never
const step = fc.tuple(fc.constantFrom('begin', 'begin', 'begin', 'forget', 'forget the oldest'), served)

const servingOf = ({ composite, ...rest }: Served) => ({ ...rest, composite: { id: composite } }) as unknown as Serving
const unitOf = ({ tenant, conversation, ...stratum }: Served) =>
  ({ stratum, conversation, report: { tenant } }) as unknown as HeldUnit

describe('what a recorder holds', () => {
  it('is found by all that it was served by, as in a map of the whole text', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const units = new HeldUnits()
        const model = new Map<string, { readonly unit: HeldUnit; readonly of: Served }>()
        for (const [what, of] of steps) {
          const text = what === 'forget the oldest' ? model.keys().next().value : JSON.stringify(of)
          const known = text === undefined ? undefined : model.get(text)
          if (what === 'begin' && known === undefined && text !== undefined) {
            const unit = unitOf(of)
            units.add(unit)
            model.set(text, { unit, of })
          } else if (what !== 'begin' && known !== undefined && text !== undefined) {
            units.delete(known.unit)
            units.delete(known.unit)
            model.delete(text)
          }
          expect(units.find(servingOf(of))).toBe(model.get(JSON.stringify(of))?.unit)
        }
        expect(units.size).toBe(model.size)
        expect(new Set(units.values())).toEqual(new Set([...model.values()].map(({ unit }) => unit)))
        for (const { unit, of } of model.values()) expect(units.find(servingOf(of))).toBe(unit)
      }),
    )
  })
})
