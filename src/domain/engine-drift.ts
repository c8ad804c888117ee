import type { ArmReport, EngineSeen } from './evaluation'

const maxNamed = 3

/** An engine version that answered as more than one model or fingerprint: known of the report, whatever the verdict. */
export function driftNotices(reports: { readonly candidate: ArmReport; readonly incumbent?: ArmReport }): string[] {
  const arms = [
    ['candidate', reports.candidate],
    ['incumbent', reports.incumbent],
  ] as const
  return arms.flatMap(([name, arm]) => (arm && hasDrifted(arm) ? [notice(name, arm.engines)] : []))
}

export const hasDrifted = ({ engines }: Pick<ArmReport, 'engines'>): boolean => engines.length > 1

function notice(arm: string, engines: readonly EngineSeen[]): string {
  const named = engines
    .slice(0, maxNamed)
    .map(({ model, fingerprint, results }) => `${model}/${fingerprint} ${results} times`)
  const more = engines.length > maxNamed ? `, and ${engines.length - maxNamed} more` : ''
  return `The provider changed under the ${arm}'s engine: it answered as ${named.join(', ')}${more}.`
}
