import type { ArmSummary } from '../src/domain/guardrail'
import type { ReleaseState } from '../src/domain/release'

const percent = (share: number | undefined): string => (share === undefined ? '–' : `${(share * 100).toFixed(2)} %`)
const usd = (amount: number | undefined): string => (amount === undefined ? '–' : `$${amount.toFixed(6)}`)
const ms = (value: number | undefined): string => (value === undefined ? '–' : `${value.toFixed(0)} ms`)

/** Characters with a meaning in Markdown, in texts that people typed. */
const plain = (text: string): string => text.replace(/[\\`*_{}[\]<>|#\r\n]/g, ' ')

function armsTable(candidate: ArmSummary, incumbent: ArmSummary): string[] {
  const row = (name: string, of: (arm: ArmSummary) => string): string =>
    `| ${name} | ${of(candidate)} | ${of(incumbent)} |`
  return [
    '| | candidate | incumbent |',
    '| --- | ---: | ---: |',
    row('conversations', (arm) => String(arm.units)),
    row('requests', (arm) => String(arm.requests)),
    row('error rate', (arm) => percent(arm.errorRate)),
    row('schema failures', (arm) => percent(arm.schemaFailureRate)),
    row('cost per request', (arm) => usd(arm.costPerRequestUsd)),
    row('mean latency', (arm) => ms(arm.latencyMeanMs)),
  ]
}

/** Who or what the release waits for, in one sentence. */
export function awaited(state: ReleaseState): string {
  if (state.ending !== undefined) return `going back: ${plain(state.ending.reason)}`
  if (state.paused !== undefined) return `paused by ${pausesOf(state.paused)}; waits for \`resume\` or \`rollback\``
  if (state.phase === 'awaiting_approval') {
    return `waits for ${state.approvalsWanted} approval(s): signal \`approve\` with {"by", "reason", "plan": "${state.planDigest}"}`
  }
  return state.waitingFor.length > 0 ? `waits for ${state.waitingFor.map(plain).join('; ')}` : 'nothing is awaited'
}

/** The Markdown that the Temporal UI shows as current details. */
export function detailsMarkdown(state: ReleaseState): string {
  const { step, arms } = state
  return [
    `### ${plain(state.task)}: ${state.stage}${step ? `, step ${step.index} of ${step.of} (${step.name})` : ''} — ${state.phase.replaceAll('_', ' ')}`,
    '',
    awaited(state),
    '',
    ...(arms ? [...armsTable(arms.candidate, arms.incumbent), ''] : []),
    ...state.verdicts.map((text) => `- ${plain(text)}`),
    '',
    ...(state.planDigest ? [`plan \`${state.planDigest}\`  `] : []),
    ...(state.candidate ? [`candidate \`${state.candidate}\`  `] : []),
    `release \`${state.releaseId}\``,
    '',
    ...state.notes.slice(-8).map((note) => `- ${plain(note.text)}`),
  ].join('\n')
}

const pausesOf = ({ next, ...first }: NonNullable<ReleaseState['paused']>): string =>
  [first, ...(next ? [next] : [])].map(({ by, reason }) => `${plain(by)}: ${plain(reason)}`).join('; then by ')
