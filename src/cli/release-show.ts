import type { ArmSummary, Assessment } from '../domain/guardrail'
import type { ArmPercentiles, Percentiles } from '../domain/percentiles'
import { type Approval, isClosed } from '../domain/release'
import type { PicturedValue } from '../domain/telemetry-fold'
import { formatUsd } from '../domain/verdict-text'
import type { ReleaseRecord } from '../store/releases'
import type { Cli } from './cli'
import { changeText } from './provider-wording'
import { decisionText } from './release-decision'
import type { ReleaseSight, ShadowSight } from './release-sight'
import { approvalText, waitingText } from './release-timeline'
import {
  agoText,
  clockText,
  countText,
  cutText,
  dateText,
  durationText,
  percentText,
  plainText,
  shortDigest,
} from './wording'

/**
 * Everything about one release on a screen: where it is, what it waits for, the plan where it was asked for, both arms,
 * the verdicts, the decisions.
 */
export function printRelease({ print }: Cli, sight: ReleaseSight, plan?: string): void {
  const { record, live, decisions, assessment } = sight
  for (const [label, text] of factsOf(sight)) print.line(`${label.padEnd(11)}${text}`)
  if (plan !== undefined) print.line(`\n${plan}`)
  if (assessment !== undefined && isExposed(sight)) {
    print.line()
    print.table(['', 'candidate', 'incumbent'], [...armRows(assessment), ...percentileRows(sight.percentiles)])
    print.line()
    print.table(
      ['verdict', 'guardrail', 'why'],
      assessment.verdicts.map(({ verdict, name, text }) => [plainText(verdict), name, text]),
    )
  } else if (live !== undefined && live.verdicts.length > 0) {
    print.line()
    for (const text of live.verdicts) print.line(text)
  }
  if (decisions.length > 0) print.line()
  for (const decision of decisions)
    print.line(`${clockText(decision.at)}  ${cutText(decisionText(decision), textWidth)}`)
  if (!isClosed(record.phase)) print.line(`\nFollow it: sluice release watch ${record.id}`)
}

const textWidth = 150

/** Before anybody is exposed, the figures are all naught and say nothing. */
const isExposed = ({ assessment, live }: ReleaseSight): boolean =>
  live?.step !== undefined || (assessment?.arms.candidate.units ?? 0) + (assessment?.arms.incumbent.units ?? 0) > 0

function factsOf({
  record,
  live,
  assessment,
  decisions,
  providerChanges,
  shadow,
}: ReleaseSight): readonly (readonly [string, string])[] {
  const { request, plan, candidate } = record
  const step = live?.step
  const place = step === undefined ? '' : `, step ${step.index} of ${step.of} (${step.name})`
  const facts: (readonly [string, string | undefined])[] = [
    ['release', `${record.id} of ${record.task}`],
    ['state', stateText(record, live?.phase ?? record.phase, `${live?.stage ?? record.stage}${place}`)],
    ['why', request.why],
    ['expect', request.expect],
    [
      'change',
      Object.entries(request.change)
        .map(([role, ref]) => `${role} → ${ref}`)
        .join(', '),
    ],
    ['policy', request.policy],
    ['author', `${record.author}, ${dateText(record.createdAt)}`],
    ['candidate', candidate && shortDigest(candidate)],
    ['plan', plan],
    ...(live?.approvals ?? approvalsAtClose(decisions)).map(
      ({ by, at }) => ['approved', `by ${by}, ${agoText(at)}`] as const,
    ),
    ['approve', live && approvalText(live)],
    ['paused', live?.paused && `by ${live.paused.by}: ${live.paused.reason}`],
    ['then', live?.paused?.next && `by ${live.paused.next.by}: ${live.paused.next.reason}`],
    ['going back', live?.ending && `${live.ending.by}: ${live.ending.reason}`],
    ['shadow', shadow && shadowText(shadow)],
    ['awaited', step && live?.phase === 'running' && assessment ? waitingText(assessment.waitingFor) : undefined],
    ...(providerChanges ?? []).map((change) => ['provider', changeText(change)] as const),
    ['not seen', unseen({ record, ...(live ? { live } : {}) })],
  ]
  return facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '')
}

const shadowText = ({ units, pairs, usd, minimumSample = 0 }: ShadowSight): string =>
  `${units} of ${countText(minimumSample, 'conversation')} answered twice, ${countText(pairs, 'request')} for ${formatUsd(usd)}; nobody is served by the candidate`

function approvalsAtClose(decisions: ReleaseSight['decisions']): readonly Approval[] {
  const close = decisions.find(({ kind }) => kind === 'close')
  return (close?.evidence as { approvals?: readonly Approval[] } | undefined)?.approvals ?? []
}

function stateText(record: ReleaseRecord, phase: string, place: string): string {
  if (!isClosed(record.phase))
    return `${plainText(phase)} in ${place}, for ${durationText(Date.now() - record.createdAt)}`
  const took = durationText((record.endedAt ?? record.createdAt) - record.createdAt)
  return `${plainText(record.phase)} after ${took} in ${record.stage}: ${record.reason ?? ''}`
}

/** The record lives in MongoDB and outlasts the orchestrator, so it is shown without it. */
function unseen({ record, live }: Pick<ReleaseSight, 'record' | 'live'>): string | undefined {
  if (live !== undefined || isClosed(record.phase)) return undefined
  return 'its workflow does not answer, so this is what was last written; sluice doctor says why'
}

const dash = (text: string | undefined): string => text ?? '–'

function armRows({ arms }: Assessment): readonly (readonly string[])[] {
  const row = (name: string, of: (arm: ArmSummary) => string): readonly string[] => [
    name,
    of(arms.candidate),
    of(arms.incumbent),
  ]
  return [
    row('conversations', ({ units }) => String(units)),
    row('requests', ({ requests }) => String(requests)),
    row('error rate', ({ errorRate }) => percentText(errorRate)),
    row('schema failures', ({ schemaFailureRate }) => percentText(schemaFailureRate)),
    row('cost a request', ({ costPerRequestUsd: cost }) => dash(cost === undefined ? cost : formatUsd(cost))),
    row('mean latency', ({ latencyMeanMs: ms }) => dash(ms === undefined ? ms : `${Math.round(ms)} ms`)),
  ]
}

/** The middle and the tail of a conversation's cost and of its mean latency; both arms once either has closed some. */
function percentileRows(percentiles: ArmPercentiles | undefined): readonly (readonly string[])[] {
  if (percentiles === undefined) return []
  const { candidate, incumbent } = percentiles
  const row = (label: string, name: PicturedValue, format: (value: number) => string) =>
    candidate[name] === undefined && incumbent[name] === undefined
      ? []
      : [[label, percentilePair(candidate[name], format), percentilePair(incumbent[name], format)]]
  return [
    ...row('cost p50 / p95', 'cost_usd', formatUsd),
    ...row('latency p50 / p95', 'latency_ms', (value) => `${Math.round(value)} ms`),
  ]
}

const percentilePair = (of: Percentiles | undefined, format: (value: number) => string): string =>
  of === undefined ? '–' : `${format(of.p50)} / ${format(of.p95)}`

const whyWidth = 60

/** Releases, a line each. */
export function printReleases({ print }: Cli, releases: readonly ReleaseRecord[]): void {
  print.table(
    ['release', 'task', 'state', 'stage', 'by', 'started', 'why'],
    releases.map((record) => [
      record.id,
      record.task,
      plainText(record.phase),
      record.step === undefined || isClosed(record.phase) ? record.stage : `${record.stage} (${record.step})`,
      record.author,
      agoText(record.createdAt),
      cutText(record.request.why, whyWidth),
    ]),
  )
  print.line(countText(releases.length, 'release'))
}
