import { ActivityFailure } from '@temporalio/workflow'
import type { ClosedPhase } from '../src/domain/release'
import { assertNever } from '../src/errors'
import type { ShadowOutcome } from './messages'

/** The way forward is over: the release ends without exposing anything, or goes back. */
export class Stop extends Error {
  readonly phase: ClosedPhase | 'withdraw'
  readonly reason: string
  /** Whether something speaks against the candidate, so that hold and veto follow. */
  readonly penalise: boolean
  constructor(phase: ClosedPhase | 'withdraw', reason: string, penalise = phase !== 'superseded') {
    super(reason)
    this.phase = phase
    this.reason = reason
    this.penalise = penalise
  }
}

/** What to note of a shadow after which the release goes on; throws `Stop` where it does not. */
export function passedShadow(outcome: Exclude<ShadowOutcome, { kind: 'pause' | 'disabled' }>): string {
  switch (outcome.kind) {
    case 'refused':
      throw new Stop('withdraw', `${outcome.code}: ${outcome.message}`, false)
    case 'fail':
      throw new Stop('withdraw', `the shadow failed: ${outcome.reason}`)
    case 'withdraw':
      throw new Stop('withdraw', `the shadow has ${outcome.reason}`, false)
    case 'pass':
    case 'go_on':
      return `the shadow is over: ${outcome.reason}`
    default:
      return assertNever(outcome)
  }
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** `90 s`, `25 min`, `7.5 h`. */
export function duration(ms: number): string {
  if (ms < 2 * minuteMs) return `${Math.round(ms / 100) / 10} s`
  return ms < 2 * hourMs ? `${Math.round(ms / minuteMs)} min` : `${Math.round((10 * ms) / hourMs) / 10} h`
}

/** The innermost cause: activity failures wrap what went wrong. */
export function messageOf(error: unknown): string {
  const cause = error instanceof ActivityFailure ? error.cause : undefined
  return (cause ?? (error as Error)).message
}
