import { SluiceError } from '../errors'

/** What a conversation is bound to: the lane entry and the tenant entry (0: none yet) that it began under. */
export interface Binding {
  readonly seq: number
  readonly tenantSeq: number
}

/** The opaque string that callers keep with the conversation. */
export const bindingText = (seq: number, tenantSeq: number): string => `b1.${seq}.${tenantSeq}`

/** Reads a binding back; `malformed_binding` for anything that `bindingText` did not write. */
export function parseBinding(text: string): Binding {
  const dot = typeof text === 'string' && text.startsWith('b1.') ? text.indexOf('.', 3) : -1
  const seq = dot < 0 ? -1 : numberIn(text, 3, dot)
  const tenantSeq = dot < 0 ? -1 : numberIn(text, dot + 1, text.length)
  if (seq < 1 || tenantSeq < 0) {
    throw new SluiceError('malformed_binding', 'The binding is not one that resolve returned.')
  }
  return { seq, tenantSeq }
}

const maxDigits = String(Number.MAX_SAFE_INTEGER).length
const zero = 48

/** The number that stands at `from` and ends before `to`, in the one way that it is written; else -1. */
function numberIn(text: string, from: number, to: number): number {
  if (from >= to || to - from > maxDigits || (text.charCodeAt(from) === zero && to - from > 1)) return -1
  let value = 0
  for (let index = from; index < to; index++) {
    const digit = text.charCodeAt(index) - zero
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return Number.isSafeInteger(value) ? value : -1
}
