import fc from 'fast-check'
import { type Branch, branchText, candidateOf } from '../../src/domain/branch'

const names = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,30}$/)
const branches: fc.Arbitrary<Branch> = fc.oneof(
  fc.record({ candidate: names, by: fc.constant('rule' as const), rule: fc.nat(20) }),
  fc.record({ candidate: names, by: fc.constant('label' as const), label: fc.string({ maxLength: 400 }) }),
  fc.record({ candidate: names, by: fc.constantFrom('default', 'classifier_failed') }),
)

it('the candidate of any branch is read back from the text that the log keeps', () => {
  fc.assert(
    fc.property(branches, fc.option(fc.nat(9), { nil: undefined }), (branch, fallback) => {
      const text = branchText(fallback === undefined ? branch : { ...branch, fallback })
      expect(candidateOf(text)).toBe(branch.candidate)
    }),
  )
})
