import { bindingText, parseBinding } from '../../src/domain/binding'

describe('a binding', () => {
  it.each([
    [1, 0],
    [1, 1],
    [4_217, 12],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])('of entry %d and tenant entry %d is read back as it was written', (seq, tenantSeq) => {
    expect(parseBinding(bindingText(seq, tenantSeq))).toEqual({ seq, tenantSeq })
  })

  it.each([
    ...['', 'b1', 'b1.', 'b1.1', 'b1.1.', 'b1..0', 'b1.0.0', 'b1.-1.0', 'b1.1.-1', 'b1.01.0', 'b1.1.00', 'b1.+1.0'],
    ...['b1.1.0.0', 'b1.1.0 ', ' b1.1.0', 'B1.1.0', 'b2.1.0', 'b1.1e3.0', 'b1.0x1.0', 'b1.1.NaN', 'b1.Infinity.0'],
    ...['b1.1.5.0', 'b1.9007199254740992.0', 'b1.1.9007199254740992', 'b1.１.0', 'xx1.1.0'],
  ])('%j is none', (text) => {
    expect(() => parseBinding(text)).toThrow(expect.objectContaining({ code: 'malformed_binding' }))
  })

  it.each([[null], [undefined], [7], [{}], [['b1.1.0']]])('%j, from callers without types, is none', (value) => {
    expect(() => parseBinding(value as unknown as string)).toThrow(
      expect.objectContaining({ code: 'malformed_binding' }),
    )
  })
})
