import type { ArmReport, EvaluationReport, JudgesPaid } from '../domain/evaluation'
import type { GroupedEstimate } from '../stats/grouped'
import type { Cli } from './cli'

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const estimateText = ({ mean, lower, upper }: GroupedEstimate): string =>
  `${percent(mean)} (${percent(lower)} – ${percent(upper)})`

/** Every score of both arms with its interval, and the figures of those scorers that have some. */
export function printScores(cli: Cli, { candidate, incumbent, primary }: EvaluationReport): void {
  const scored = (arm: ArmReport | undefined, name: string): string => {
    const score = arm?.scores[name]
    if (!score) return '–'
    const missing = arm.unscored?.[name] ?? 0
    return `${estimateText(score)}${missing === 0 ? '' : `, ${missing} without evidence`}`
  }
  const scores = Object.keys(candidate.scores).map((name) => [
    name === primary ? `${name} *` : name,
    scored(candidate, name),
    scored(incumbent, name),
  ])
  const figures = (candidate.figures ?? []).map(({ scorer, figure, ...estimate }) => {
    const other = incumbent?.figures?.find((one) => one.scorer === scorer && one.figure === figure)
    return [`  ${scorer}: ${figure}`, estimateText(estimate), other ? estimateText(other) : '–']
  })
  cli.print.table(['SCORE (* = ACCURACY)', 'CANDIDATE', 'INCUMBENT'], [...scores, ...figures])
}

/** Which ways the routers sent the cases, and how each fared; nothing where there is none. */
export function printBranches(cli: Cli, { candidate, incumbent }: EvaluationReport): void {
  const rows = (name: string, arm: ArmReport | undefined) =>
    (arm?.branches ?? []).map((one) => [
      name,
      one.branch,
      `${percent(one.share)} (${one.results})`,
      estimateText(one.accuracy),
      percent(one.schemaCompliance.mean),
      one.latencyMeanMs.toFixed(0),
      one.costMeanUsd.toFixed(6),
    ])
  const all = [...rows('candidate', candidate), ...rows('incumbent', incumbent)]
  if (all.length === 0) return
  cli.print.table(['ARM', 'BRANCH', 'SHARE', 'ACCURACY', 'SCHEMA', 'MEAN MS', '$ PER CASE'], all)
}

/** What moved beyond the margin or cannot be told, with examples side by side. */
export function printShifts(cli: Cli, { shifts = [], comparison }: EvaluationReport): void {
  for (const { field, verdict, reason } of shifts) {
    if (verdict !== 'fail' && verdict !== 'no_evidence') continue
    cli.print.line(`${field}: ${verdict === 'fail' ? 'different' : 'no evidence'}. ${reason}`)
    const detail = comparison?.shifts.find((shift) => shift.field === field)?.detail
    for (const { caseId, before, after } of detail?.examples ?? []) {
      cli.print.line(`  ${caseId}: ${before} → ${after}`)
    }
  }
}

/** Money of judges is no part of what the candidate costs. */
export function printJudges(cli: Cli, { calls, answers, costUsd, lostCalls, stopped }: JudgesPaid): void {
  cli.print.line(
    `judges: ${calls} calls, ${answers} answers, $${costUsd.toFixed(4)} paid, ${lostCalls} calls left no answer`,
  )
  if (stopped !== undefined) cli.print.line(`judging stopped: ${stopped}`)
}
