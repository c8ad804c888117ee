import type { Deployment, Standing, SuiteScore } from '../domain/standing'
import type { Cli } from './cli'
import { cutText, dateText, plainText, shortDigest } from './wording'

/** `csat in production`, `csat in production and 3 more`; a candidate is marked as one. */
export function activeText({ active, activeLanes }: Standing): string {
  const [first] = active
  if (first === undefined) return ''
  const others = activeLanes === 1 ? '' : ` and ${activeLanes - 1} more`
  return `${laneText(first)}${others}`
}

const laneText = ({ environment, task, as }: Standing['active'][number]): string =>
  `${task} in ${environment}${as === 'candidate' ? ' (candidate)' : ''}`

export const testedText = ({ tested, scores }: Standing): string =>
  tested ? 'yes' : scores.length === 0 ? 'no' : plainText(scores[0]?.verdict ?? 'no')

export const accuracyText = (accuracy: number | undefined): string =>
  accuracy === undefined ? '–' : `${(accuracy * 100).toFixed(1)} %`

/** `75.0 % on airline@1.0.0`. */
export function scoreText(score: SuiteScore | undefined): string {
  if (score === undefined) return ''
  const suite = score.suiteRef?.replace(/^suite\//, '') ?? shortDigest(score.suite)
  return `${accuracyText(score.accuracy?.mean)} on ${suite}`
}

export function printStanding({ print }: Cli, standing: Standing): void {
  const { active, activeLanes, scores } = standing
  const more = activeLanes > active.length ? [`and ${activeLanes - active.length} more`] : []
  print.line(`active     ${activeLanes === 0 ? 'nowhere' : [...active.map(laneText), ...more].join(', ')}`)
  if (scores.length === 0) print.line('tested     no: no suite was run on it')
  for (const score of scores) {
    const { accuracy, verdict, at, evaluationId } = score
    const interval =
      accuracy === undefined ? '' : ` (${accuracyText(accuracy.lower)} to ${accuracyText(accuracy.upper)})`
    const what = `${scoreText(score)}${interval}: ${plainText(verdict)}`
    print.line(`tested     ${what}, ${dateText(at)}, evaluation ${evaluationId}`)
  }
}

const reasonWidth = 40

export function printDeployments({ print }: Cli, deployments: readonly Deployment[]): void {
  if (deployments.length === 0) return
  print.line()
  print.table(
    ['deployed', 'lane', 'entry', 'as', 'by', 'before', 'why'],
    deployments.map(({ at, environment, task, seq, as, by, previous, previousRef, reason }) => [
      dateText(at),
      `${environment}/${task}`,
      String(seq),
      as,
      by,
      previousRef ?? (previous === undefined ? '' : shortDigest(previous)),
      cutText(reason ?? '', reasonWidth),
    ]),
  )
}
