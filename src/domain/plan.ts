import type { ShadowPolicy } from './policy'
import type { PlannedStep } from './rollout'
import { formatDuration, formatUsd } from './verdict-text'
import type { Change, ChangeClass, Digest, KindName } from './version'

/** What a release manager asks for; a file of `releases/` says the same. */
export interface ReleaseRequest {
  readonly task: string
  /** Role → reference: the roles that move. */
  readonly change: Readonly<Record<string, string>>
  readonly why: string
  readonly expect?: string
  /** Absent: the task's own policy. */
  readonly policy?: string
  /** Why it starts although a breaker of the policy fires on what serves now. It stays in the plan and its record. */
  readonly breakGlass?: string
}

/** The sorts of change, the least risky first. */
export const risks = ['configuration', 'engine', 'platform'] as const
export type Risk = (typeof risks)[number]

export interface PlannedChange {
  readonly role: string
  readonly kind: KindName
  readonly from?: string
  readonly to: string
  readonly class: ChangeClass
  readonly changes: readonly Change[]
}

export interface PlannedLane {
  readonly environment: string
  readonly baseSeq: number
  readonly incumbent?: Digest
}

/** Who gets the change, who silently will not, and why. `tenants` lists are cut at `listed`; counts are whole. */
export interface BlastRadius {
  readonly affected: readonly string[]
  readonly pilots: readonly string[]
  readonly overridden: readonly string[]
  readonly optedOut: readonly string[]
  readonly notSubscribed: readonly string[]
  /** Pilots that a pin of their own keeps from piloting. */
  readonly lostPilots: readonly string[]
  readonly counts: Readonly<Record<'affected' | 'pilots' | 'overridden' | 'optedOut' | 'notSubscribed', number>>
  /** From the request log of the last hour; absent where there was no traffic. */
  readonly requestsPerHour?: number
  readonly costUsdPerHour?: number
}

/** An immutable plan. Its digest is what approvals are bound to. */
export interface Plan {
  readonly request: ReleaseRequest
  readonly task: string
  readonly candidate: Digest
  readonly policy: Digest
  readonly suite: Digest
  readonly lanes: readonly PlannedLane[]
  readonly changes: readonly PlannedChange[]
  readonly changeClass: ChangeClass
  readonly risk: Risk
  readonly steps: readonly PlannedStep[]
  /** Absent: the candidate answers no copies before it is exposed. */
  readonly shadow?: ShadowPolicy
  readonly blastRadius: BlastRadius
  readonly warnings: readonly string[]
  /** How long each exposed step may need to show harm, in words. */
  readonly forecast: readonly string[]
  readonly rollback: string
}

/** The risk of all changes together: the highest. */
export const planRisk = (changed: readonly Risk[]): Risk =>
  risks.findLast((risk) => changed.includes(risk)) ?? 'configuration'

const classOrder: readonly ChangeClass[] = ['none', 'safe', 'shifting', 'breaking']

export function highestClass(classes: readonly ChangeClass[]): ChangeClass {
  return classes.reduce(
    (high, next) => (classOrder.indexOf(next) > classOrder.indexOf(high) ? next : high),
    'none' as ChangeClass,
  )
}

const short = (digest: Digest): string => digest.slice(0, 'sha256:'.length + 12)

/** The plan as a release manager reads it. */
export function planText(plan: Plan): string {
  const { counts } = plan.blastRadius
  const lines = [
    `Release of ${plan.task}: ${plan.request.why}`,
    `candidate ${short(plan.candidate)}   class ${plan.changeClass}   risk ${plan.risk}`,
    ...plan.changes.flatMap((change) => [
      `  ${change.role}: ${change.from ?? '(new)'} → ${change.to}  (${change.class})`,
      ...change.changes.map((row) => `    ${row.text.replaceAll('\n', '\n    ')}`),
    ]),
    `tenants: ${counts.affected} affected (${counts.pilots} pilots), ${counts.overridden} on their own override, ${counts.optedOut} opted out, ${counts.notSubscribed} not subscribed; tenants unknown to the ledger get it with the rest`,
    ...plan.lanes.map(
      (lane) =>
        `lane ${lane.environment}: incumbent ${lane.incumbent ? short(lane.incumbent) : 'none'}, entry ${lane.baseSeq}`,
    ),
    ...(plan.shadow === undefined ? [] : [shadowText(plan.shadow)]),
    ...plan.steps.map(
      (step) =>
        `step ${step.name} in ${step.environment}: ${exposureText(step)}, bake ${formatDuration(step.bakeMs)}, at least ${step.minimumSample} conversations an arm`,
    ),
    ...plan.forecast,
    ...plan.warnings.map((warning) => `warning: ${warning}`),
    `rollback: ${plan.rollback}`,
  ]
  return lines.join('\n')
}

const shadowText = ({ basisPoints, minimumSample, usdPerHour, noEvidence }: ShadowPolicy): string =>
  `shadow: the candidate answers copies of ${basisPoints / 100} % of the conversations, at least ${minimumSample}, for at most ` +
  `${formatUsd(usdPerHour)} an hour; nobody is served. Without that sample: ${noEvidence.replace('_', ' ')}`

export function exposureText(step: Pick<PlannedStep, 'exposure'>): string {
  return step.exposure
    .map(
      ({ to, basisPoints }) =>
        `${to === 'rest' ? 'the rest' : 'ring' in to ? `ring ${to.ring}` : `${to.tenants.length} tenants`} ${basisPoints / 100} %`,
    )
    .join(', ')
}
