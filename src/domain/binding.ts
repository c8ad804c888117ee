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
  const dot = typeof text === 'string' ? text.indexOf('.', 3) : -1
  const seq = dot < 0 ? Number.NaN : Number(text.slice(3, dot))
  const tenantSeq = dot < 0 ? Number.NaN : Number(text.slice(dot + 1))
  if (!isSeq(seq) || seq < 1 || !isSeq(tenantSeq) || bindingText(seq, tenantSeq) !== text) {
    throw new SluiceError('malformed_binding', 'The binding is not one that resolve returned.')
  }
  return { seq, tenantSeq }
}

const isSeq = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
