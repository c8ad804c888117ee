import { exposureText } from '../domain/plan'
import type { PlannedStep } from '../domain/rollout'
import { assertNever } from '../errors'
import type { Decision } from '../store/releases'
import { plainText, shortDigest } from './wording'

/** What the kinds of decisions keep as evidence, as far as it is shown. */
interface ShownEvidence {
  readonly plan?: string
  readonly verdict?: string
  readonly step?: PlannedStep
  readonly environment?: string
  readonly seq?: number
  readonly lanes?: readonly string[]
}

/** A decision as one line. */
export function decisionText({ kind, by, reason, evidence }: Decision): string {
  const { plan, verdict, step, environment, seq, lanes } = evidence as ShownEvidence
  const entry = seq === undefined ? '' : ` (entry ${seq})`
  switch (kind) {
    case 'plan':
      return plan === undefined ? 'planned' : `planned as ${shortDigest(plan)}`
    case 'test':
      return verdict === 'pass' ? 'the suite passed' : `the suite says ${plainText(verdict ?? 'no')}: ${reason}`
    case 'advance':
      return step === undefined ? reason : `${step.name} in ${step.environment}: ${exposureText(step)}${entry}`
    case 'settle':
      return `settled in ${environment ?? 'its lane'}${entry}`
    case 'rollback':
      return `withdrawn by ${by} from ${(lanes ?? []).join(', ') || 'its lanes'}: ${reason}`
    case 'pause':
      return `${by} asks for a pause: ${reason}`
    case 'assessment':
      return reason
    case 'shadow':
      return `shadow: ${reason}`
    case 'close':
      return reason.replace(/^[a-z_]+/, plainText)
    default:
      return assertNever(kind)
  }
}

/** The stage that a decision belongs to; empty where it belongs to the release as a whole. */
export function decisionStage({ kind, evidence }: Decision): string {
  switch (kind) {
    case 'plan':
    case 'test':
      return kind
    case 'advance':
      return (evidence as ShownEvidence).step?.stage ?? ''
    case 'settle':
      return 'rollout'
    case 'shadow':
      return 'stage'
    case 'rollback':
    case 'pause':
    case 'assessment':
    case 'close':
      return ''
    default:
      return assertNever(kind)
  }
}
