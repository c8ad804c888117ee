import type { ClassedChange } from '../domain/diff'
import type { CompositeReport, Dependents, Measured, Suggestion, VersionReport } from '../domain/diff-report'
import type { ChangeClass } from '../domain/version'

/** The difference of two versions or composites as people read it. */
export const diffLines = (found: VersionReport | CompositeReport): readonly string[] =>
  'roles' in found ? compositeLines(found) : versionLines(found)

function versionLines(report: VersionReport): readonly string[] {
  const { from, to, changeClass, changes, suggested, dependents } = report
  return [
    `${from} → ${to}: ${meaning[changeClass]}${suggestionText(suggested)}`,
    ...changes.flatMap(changeLines),
    ...dependentLines(dependents),
  ]
}

function compositeLines(report: CompositeReport): readonly string[] {
  const { from, to, changeClass, risk, roles, measured, suggested, dependents } = report
  const moved = roles.flatMap(({ role, from: before, to: after, changeClass: own, changes, suggested: next }) => [
    '',
    `${role}: ${before ?? 'none'} → ${after ?? 'none'}   ${own}${suggestionText(next)}`,
    ...changes.flatMap(changeLines),
  ])
  return [
    `${shortId(from)} → ${shortId(to)}: ${meaning[changeClass]}${suggestionText(suggested)}`,
    ...(risk === undefined ? [] : [`risk ${risk}`]),
    ...(roles.length === 0 ? [] : [measuredText(measured)]),
    ...moved,
    ...dependentLines(dependents),
  ]
}

const digestLength = 'sha256:'.length + 12
const shortId = (id: string): string => id.slice(0, digestLength)

const meaning: Readonly<Record<ChangeClass, string>> = {
  none: 'no difference',
  safe: 'safe (minor or patch)',
  shifting: 'shifting: a new task, or an exception by name',
  breaking: 'breaking (major): a new task, or an exception by name',
}

function suggestionText({ bump, label }: Suggestion): string {
  if (bump === 'none') return ''
  return label === undefined ? `, ${bump}` : `, next ${bump}: ${label}`
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function measuredText(measured: Measured): string {
  if (measured.state === 'not_measured') return 'output shift not measured: no verdict compares these two'
  const { shift, shifting, evaluationId } = measured
  const source = `evaluation ${evaluationId}${measured.void ? ', void since a provider changed' : ''}`
  if (shift === undefined) return `output shift: nothing to compare field by field (${source})`
  const margin = `${shifting ? 'beyond' : 'within'} the margin of ${percent(shift.margin)}`
  return `output shift: ${shift.field} differs in ${percent(shift.changedShare)} of the cases, ${margin} (${source})`
}

/** A mark for what was added, removed or changed; what breaks is said in words, for those who see no colour. */
function changeLines({ change, text, class: risk }: ClassedChange): readonly string[] {
  const mark = { added: '+', removed: '-', changed: '~' }[change]
  const [first = '', ...rest] = text.split('\n')
  const head = `  ${mark} ${first}${risk === 'breaking' ? '   (breaking)' : ''}`
  return [head, ...rest.map((line) => `      ${line}`)]
}

function dependentLines({ tasks, taskCount, tenants, tenantCount, consumers, consumerCount }: Dependents) {
  const listed = (what: string, names: readonly string[], count: number): readonly string[] => {
    if (count === 0) return []
    const more = count > names.length ? ` and ${count - names.length} more` : ''
    return [`${what} (${count}): ${names.join(', ')}${more}`]
  }
  const more = consumerCount > consumers.length ? [`  and ${consumerCount - consumers.length} more`] : []
  const lines = [
    ...listed('tasks', tasks, taskCount),
    ...listed('tenants with an override on it', tenants, tenantCount),
    ...(consumerCount === 0 ? [] : ['consumers that break:', ...consumers.map(({ text }) => `  ! ${text}`), ...more]),
  ]
  return lines.length === 0 ? [] : ['', ...lines]
}
