import { assertNever } from '../errors'

export function closed(phase: 'plan' | 'test'): number {
  switch (phase) {
    case 'plan':
      return 1
    case 'test':
      return 2
    default:
      return assertNever(phase)
  }
}

export function open(phase: 'plan' | 'test'): number | undefined {
  switch (phase) {
    case 'plan':
      return 1
    case 'test':
      return 2
  }
}
