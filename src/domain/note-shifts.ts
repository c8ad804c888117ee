import { assertNever } from '../errors'
import type { NoteInput, Shift, ShiftUnit } from './note-input'
import { type Block, plainText } from './note-markup'

/** The measured shifts as a table. */
export function shiftBlocks({ shifts }: NoteInput): readonly Block[] {
  if (shifts.length === 0) return [{ block: 'paragraph', spans: ['No shift was measured.'] }]
  const rows = shifts.map((shift) => [
    plainText(shift.name),
    shift.before === undefined ? '–' : quantity(shift.before, shift.unit),
    quantity(shift.after, shift.unit),
    shiftText(shift),
  ])
  return [
    { block: 'paragraph', spans: ['Measured, before and after:'] },
    { block: 'table', head: ['Measure', 'Before', 'After', 'Shift'], rows },
  ]
}

/** A number with its unit, the same in every locale. */
function quantity(value: number, unit: ShiftUnit): string {
  if (!Number.isFinite(value)) return '–'
  switch (unit) {
    case 'share':
      return `${fixed(value * 100, 1)} %`
    case 'score':
      return fixed(value, 2)
    case 'usd':
      return `${value < 0 ? '-' : ''}$${dollars(Math.abs(value))}`
    case 'tokens':
      return `${fixed(value, 0)} tokens`
    case 'ms':
      return `${fixed(value, 0)} ms`
    default:
      return assertNever(unit)
  }
}

/** Cents from a dollar up; below, as many digits as it takes, at most six. */
const dollars = (value: number): string =>
  value >= 1 ? fixed(value, 2) : fixed(value, 6).replace(/(\.\d\d\d*?)0+$/, '$1')

function shiftText({ before, after, unit }: Shift): string {
  if (before === undefined || !Number.isFinite(before) || !Number.isFinite(after)) return '–'
  if (unit === 'share') return `${signed((after - before) * 100, 1)} points`
  if (unit === 'score') return signed(after - before, 2)
  return before === 0 ? '–' : `${signed((after / before - 1) * 100, 1)} %`
}

/** Never `-0.0`: a shift too small to show is none. */
const fixed = (value: number, digits: number): string => value.toFixed(digits).replace(/^-(?=[0.]+$)/, '')

function signed(value: number, digits: number): string {
  const text = fixed(value, digits)
  return Number(text) > 0 ? `+${text}` : text
}
