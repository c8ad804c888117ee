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

/** A number with its unit, to about three significant digits, the same in every locale. */
function quantity(value: number, unit: ShiftUnit): string {
  if (!Number.isFinite(value)) return '–'
  switch (unit) {
    case 'share':
      return `${fixed(value * 100, 1)} %`
    case 'score':
      return fixed(value, 2)
    case 'usd':
      return `${value < 0 ? '-' : ''}$${fixed(Math.abs(value), Math.abs(value) >= 1 ? 2 : 6)}`
    case 'tokens':
      return `${fixed(value, 0)} tokens`
    case 'ms':
      return `${fixed(value, 0)} ms`
    default:
      return assertNever(unit)
  }
}

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
