import type { ArmReport, EngineSeen } from './evaluation'

const maxNamed = 3

/** An engine version that answered as more than one model or fingerprint: known of the report, whatever the verdict. */
export function driftNotices(reports: { readonly candidate: ArmReport; readonly incumbent?: ArmReport }): string[] {
  const arms = [
    ['candidate', reports.candidate],
    ['incumbent', reports.incumbent],
  ] as const
  return arms.flatMap(([name, arm]) => (arm && hasDrifted(arm) ? [notice(name, drifted(arm))] : []))
}

export const hasDrifted = (arm: Pick<ArmReport, 'engines'>): boolean => drifted(arm).length > 0

/** The answers of those engines that answered as more than one. A router's candidates are several engines. */
function drifted({ engines }: Pick<ArmReport, 'engines'>): readonly EngineSeen[] {
  return engines.filter((one) => engines.filter(({ candidate }) => candidate === one.candidate).length > 1)
}

function notice(arm: string, engines: readonly EngineSeen[]): string {
  const named = engines.slice(0, maxNamed).map(({ model, fingerprint, candidate, results }) => {
    const of = candidate === undefined ? '' : `${candidate}: `
    return `${of}${model}/${fingerprint} ${results} times`
  })
  const more = engines.length > maxNamed ? `, and ${engines.length - maxNamed} more` : ''
  return `The provider changed under the ${arm}'s engine: it answered as ${named.join(', ')}${more}.`
}
