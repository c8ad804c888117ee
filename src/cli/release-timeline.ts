import type { ArmSummary, Assessment, VerdictReason } from '../domain/guardrail'
import type { ArmPercentiles, Percentiles } from '../domain/percentiles'
import { closedPhases, type ReleaseNote, type ReleaseState } from '../domain/release'
import { formatUsd } from '../domain/verdict-text'
import { decisionStage, decisionText } from './release-decision'
import type { ReleaseSight } from './release-sight'
import { countText, percentText, plainText } from './wording'

/** Something that happened to a release. */
export interface Happening {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly stage: string
  readonly kind: 'decision' | 'note' | 'stage' | 'approval' | 'waiting' | 'arms' | 'verdict'
  readonly text: string
}

/** What decisions tell already, and for ever. */
const toldByDecisions = new RegExp(
  `^(planned: |the suite passed|withdrawn by |paused by guardrail: |settle the candidate|` +
    `(stage-[a-z]+|pilot|rollout-\\d+): |(${closedPhases.map(plainText).join('|')}): )`,
)

const armsEveryMs = 5_000

/** What a live view has told, so that each change is told once. */
export class Timeline {
  private decisionSeq = 0
  private notes: ReadonlySet<string> = new Set()
  private readonly verdicts = new Map<string, string>()
  private stage = 'plan'
  private approvals = ''
  private waiting = { text: '', told: '' }
  private arms = { text: '', at: 0, step: '' }

  /** The last decision that was told. */
  get lastDecision(): number {
    return this.decisionSeq
  }

  /** What is new, in the order it happened. `now`: for what carries no time of its own. */
  add(sight: ReleaseSight, now: number): readonly Happening[] {
    const dated = [...this.newDecisions(sight), ...this.newNotes(sight)]
    const seen = [...this.newStage(sight, now), ...this.newApproval(sight, now), ...this.newFigures(sight, now)]
    return [...dated.sort((a, b) => a.at - b.at), ...seen]
  }

  private newDecisions({ decisions, live }: ReleaseSight): readonly Happening[] {
    const fresh = decisions.filter(({ seq }) => seq > this.decisionSeq)
    this.decisionSeq = fresh.at(-1)?.seq ?? this.decisionSeq
    return fresh.map((decision) => {
      const stage = decisionStage(decision)
      if (stage !== '') this.stage = stage
      return {
        at: decision.at,
        stage: stage || (live?.stage ?? this.stage),
        kind: 'decision',
        text: decisionText(decision),
      }
    })
  }

  private newNotes({ live, decisions }: ReleaseSight): readonly Happening[] {
    const notes = (live?.notes ?? notesAtClose(decisions)).filter(({ text }) => !toldByDecisions.test(text))
    const fresh = notes.filter((note) => !this.notes.has(noteKey(note)))
    this.notes = new Set(notes.map(noteKey))
    return fresh.map(({ at, text }) => ({ at, stage: live?.stage ?? this.stage, kind: 'note', text }))
  }

  private newStage({ record, live }: ReleaseSight, at: number): readonly Happening[] {
    const stage = live?.stage ?? record.stage
    if (stage === this.stage || record.endedAt !== undefined) return []
    this.stage = stage
    const text = { test: 'the suite runs on candidate and incumbent', communicate: 'the tenants are told' }[
      stage as string
    ]
    return text === undefined ? [] : [{ at, stage, kind: 'stage', text }]
  }

  private newApproval({ live }: ReleaseSight, at: number): readonly Happening[] {
    const text = live === undefined ? '' : approvalText(live)
    if (text === this.approvals) return []
    this.approvals = text
    return text === '' ? [] : [{ at, stage: live?.stage ?? this.stage, kind: 'approval', text }]
  }

  private newFigures({ assessment, live, percentiles }: ReleaseSight, at: number): readonly Happening[] {
    if (assessment === undefined || live?.step === undefined) return []
    const place = { at, stage: live.stage }
    const happened: Happening[] = this.newVerdicts(assessment).map((text) => ({ ...place, kind: 'verdict', text }))
    const arms = armsText(assessment, percentiles)
    const isDue = at - this.arms.at >= armsEveryMs || this.arms.step !== live.step.name || happened.length > 0
    if (arms !== this.arms.text && isDue) {
      this.arms = { text: arms, at, step: live.step.name }
      if (arms !== '') happened.unshift({ ...place, kind: 'arms', text: arms })
    }
    return [
      ...happened,
      ...this.newWaiting(assessment, live).map((text) => ({ ...place, kind: 'waiting' as const, text })),
    ]
  }

  /** Told from the second look on: what is over at the next one was worth no line. */
  private newWaiting({ waitingFor }: Assessment, { phase, stage }: ReleaseState): readonly string[] {
    const text = phase === 'running' && stage !== 'stage' ? waitingText(waitingFor) : ''
    const { text: before, told } = this.waiting
    const isNew = text !== '' && text === before && text !== told
    this.waiting = { text, told: isNew ? text : told }
    return isNew ? [`waits for ${text}`] : []
  }

  /** The first look tells failures only: that nothing is known yet is no news. */
  private newVerdicts({ verdicts }: Assessment): readonly string[] {
    return verdicts.flatMap(({ name, verdict, text }) => {
      const before = this.verdicts.get(name)
      this.verdicts.set(name, verdict)
      return before === verdict || (before === undefined && verdict !== 'fail')
        ? []
        : [`${plainText(verdict)}: ${text}`]
    })
  }
}

/** A closed release keeps what its workflow noted in its last decision. */
function notesAtClose(decisions: ReleaseSight['decisions']): readonly ReleaseNote[] {
  const close = decisions.find(({ kind }) => kind === 'close')
  return (close?.evidence as { notes?: readonly ReleaseNote[] } | undefined)?.notes ?? []
}

const noteKey = ({ at, text }: ReleaseNote): string => `${at} ${text}`

/** Whose approval is awaited and the command that gives it; empty where none is. */
export function approvalText({ phase, approvalsWanted, planDigest, releaseId }: ReleaseState): string {
  if (phase !== 'awaiting_approval') return ''
  const command = `sluice release approve ${releaseId} --plan ${planDigest} --reason "…"`
  return `waits for ${countText(approvalsWanted, 'approval')}: ${command}`
}

const waits: Readonly<Record<VerdictReason, string>> = {
  worse_than_incumbent: 'a guardrail that fails',
  share_too_high: 'a cleaner comparison at a lower share',
  absolute_limit: 'an absolute limit that is passed',
  within_limit: 'the limits',
  non_inferior: 'the evidence',
  sample_complete: 'the sample',
  no_traffic: 'traffic',
  below_minimum_sample: 'the minimum sample',
  baking: 'the end of the bake',
  reporters_silent: 'reports of the applications',
  set_full: 'room for more evidence',
  ratio_mismatch: 'shares that fit the intended ones',
  no_incumbent: 'an incumbent',
  provider_changed: 'the suite to be run again: a provider changed',
  no_control: 'a control',
  one_reporter: 'more than one reporter to say the same',
  tenant_harmed: 'a tenant that is hurt',
  worse_than_before: 'tenants that are no worse than before',
  output_differs: 'a person to look at outputs that differ',
  no_outcomes: 'values of a custom metric',
  capture_off: 'capture in this lane: outputs are to be judged',
  provider_down: 'a provider of metrics that answers',
  answer_unusable: 'one number from a provider of metrics',
  no_reading: 'the first answer of a provider of metrics',
}

/** What a step waits for before it may be followed; empty where nothing. */
export const waitingText = (reasons: readonly VerdictReason[]): string =>
  reasons.map((reason) => waits[reason]).join(', ')

function armsText({ arms }: Assessment, percentiles: ArmPercentiles | undefined): string {
  if (arms.candidate.units + arms.incumbent.units === 0) return ''
  const text = (arm: 'candidate' | 'incumbent') => `${arm} ${armText(arms[arm], percentiles?.[arm].latency_ms)}`
  return `${text('candidate')} · ${text('incumbent')}`
}

function armText({ units, errorRate, costPerRequestUsd, latencyMeanMs }: ArmSummary, latency?: Percentiles): string {
  const figures = [
    countText(units, 'conversation'),
    ...(errorRate === undefined ? [] : [`errors ${percentText(errorRate)}`]),
    ...(costPerRequestUsd === undefined ? [] : [formatUsd(costPerRequestUsd)]),
    ...(latencyMeanMs === undefined ? [] : [`${Math.round(latencyMeanMs)} ms`]),
    ...(latency === undefined ? [] : [`p95 ${Math.round(latency.p95)} ms`]),
  ]
  return figures.join(', ')
}
