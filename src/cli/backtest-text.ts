import type { BacktestLook, BacktestMoment, BacktestOutcome, BacktestVerdict } from '../domain/backtest'
import type { BacktestSummary, ReleaseBacktest } from '../store/backtests'
import type { Cli } from './cli'
import { clockText, countText, cutText, dateText, durationText, plainText, shortDigest } from './wording'

const outcomes: Readonly<Record<BacktestOutcome, string>> = {
  no_evidence: 'nothing was recorded while anybody was exposed',
  same: 'the same would have happened',
  would_have_rolled_back: 'would have been rolled back, and was not',
  would_not_have_rolled_back: 'was rolled back, and would not have been by then',
  would_have_paused: 'would have paused, and did not',
  would_not_have_paused: 'paused, and would not have',
  would_have_waited: 'would have waited longer',
}

const textWidth = 150

/** One release under another policy: what would have happened, where the two differ, and what that rests on. */
export function printBacktest({ print }: Cli, found: ReleaseBacktest, all: boolean): void {
  const facts: readonly (readonly [string, string])[] = [
    ['release', `${found.release} of ${found.task}: ${plainText(found.end.phase)}`],
    ['had', found.hadPolicy === undefined ? 'no plan' : shortDigest(found.hadPolicy)],
    ['asked', found.hadPolicy === found.policy ? 'the same policy' : shortDigest(found.policy)],
    ['outcome', outcomes[found.outcome]],
    ...momentFact('pause', found.firstPause),
    ...momentFact('rollback', found.firstRollback),
    ...found.refused.flatMap((moment) => momentFact('waits', moment)),
    ['looks', looksText(found)],
    ...found.notRecorded.map(
      ({ name, what, looks }) =>
        ['not known', `${name}: ${what} (not recorded at ${countText(looks, 'look')})`] as const,
    ),
    ...codeFact(found),
  ]
  for (const [label, text] of facts) print.line(`${label.padEnd(11)}${text}`)
  const shown = all ? found.looks : found.looks.filter((look) => look.differs || look.kind !== 'assessment')
  if (shown.length === 0) return
  print.line()
  print.table(['time', 'decision', 'step', 'conversations', 'did', 'would', 'verdicts'], shown.map(lookRow))
}

function momentFact(label: string, moment: BacktestMoment | undefined): readonly (readonly [string, string])[] {
  if (moment === undefined) return []
  const { seq, at, after, reasons, sourcesNotRecorded } = moment
  const between = after === undefined ? '' : `, not yet ${clockText(after)}`
  const unchecked = sourcesNotRecorded ? ' (a pause, if one source alone asked for it: who told was not recorded)' : ''
  return [
    [label, cutText(`at decision ${seq}, ${clockText(at)}${between}: ${reasons.join('; ')}`, textWidth) + unchecked],
  ]
}

function looksText({ looks, same, longestGapMs }: ReleaseBacktest): string {
  const first = looks[0]
  const last = looks.at(-1)
  if (first === undefined || last === undefined) return 'none'
  const span = `${dateText(first.at)} to ${dateText(last.at)}, at most ${durationText(longestGapMs)} apart`
  return `${looks.length}, from ${span}; ${same} with the same verdicts and action`
}

/** Verdicts may differ because the code does. */
const codeFact = ({ decidedBy, judgedBy }: ReleaseBacktest): readonly (readonly [string, string])[] =>
  decidedBy.every((code) => code === judgedBy)
    ? []
    : [['code', `decided by ${decidedBy.join(', ')}, judged by ${judgedBy}`]]

const lookRow = (look: BacktestLook): readonly string[] => [
  clockText(look.at),
  `${look.seq} ${look.kind === 'assessment' ? 'look' : look.kind}`,
  look.step ?? '–',
  `${look.units.candidate} / ${look.units.incumbent}`,
  actionText(look.kind, look.did),
  (look.after ? '(over) ' : '') + actionText(look.kind, look.would),
  differencesText(look),
]

function actionText(kind: BacktestLook['kind'], { action, mayAdvance }: BacktestLook['did'] | BacktestLook['would']) {
  if (action !== 'continue') return action === 'pause' ? 'pause' : 'roll back'
  return kind === 'advance' || kind === 'settle' ? (mayAdvance ? 'go on' : 'wait') : 'continue'
}

const maxVerdicts = 3

/** The verdicts that are not the same, each as it was and as it would have been. */
function differencesText({ did, would }: BacktestLook): string {
  const rows = would.verdicts.flatMap((verdict, index) => {
    const before = did.verdicts[index]
    const known = before?.name === verdict.name ? before : did.verdicts.find(({ name }) => name === verdict.name)
    const [was, is] = [known === undefined ? 'not asked' : saidText(known), saidText(verdict)]
    return was === is ? [] : [`${verdict.name}: ${was} → ${is}`]
  })
  const more = rows.length > maxVerdicts ? `; ${rows.length - maxVerdicts} more` : ''
  return rows.slice(0, maxVerdicts).join('; ') + more
}

const saidText = ({ verdict, reason }: Pick<BacktestVerdict, 'verdict' | 'reason'>): string =>
  verdict === 'not_recorded' ? 'not recorded' : `${plainText(verdict)} (${plainText(reason)})`

/** Releases of a task, a line each, and how often the policies differ. */
export function printBacktests({ print }: Cli, items: readonly BacktestSummary[]): void {
  print.table(
    ['release', 'started', 'ended', 'looks', 'outcome', 'when', 'not known'],
    items.map((row) => [
      row.release,
      dateText(row.createdAt),
      plainText(row.end.phase),
      String(row.looks),
      outcomes[row.outcome],
      whenText(row),
      [...new Set(row.notRecorded.map(({ name }) => name))].join(', '),
    ]),
  )
  const count = (outcome: BacktestOutcome): number => items.filter((row) => row.outcome === outcome).length
  print.line(
    `${countText(items.length, 'release')}: ${count('would_have_rolled_back')} would have been rolled back that were not, ` +
      `${count('would_not_have_rolled_back')} were rolled back that would not have been by then`,
  )
}

function whenText({ createdAt, firstRollback, firstPause, refused }: BacktestSummary): string {
  const moment = firstRollback ?? firstPause ?? refused[0]
  return moment === undefined ? '' : `after ${durationText(moment.at - createdAt)}`
}
