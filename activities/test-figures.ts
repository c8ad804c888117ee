import type { ArmReport, EvaluationReport } from '../src/domain/evaluation'

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

/** The test stage in a few lines for the Temporal UI. */
export function testFigures(report: EvaluationReport): string[] {
  const { candidate, incumbent, comparison } = report
  const both = (name: string, of: (arm: ArmReport) => string): string =>
    `${name}: candidate ${of(candidate)}${incumbent ? `, incumbent ${of(incumbent)}` : ''}`
  return [
    both('accuracy', (arm) => percent(arm.accuracy.mean)),
    both('schema compliance', (arm) => percent(arm.schemaCompliance.mean)),
    both('cost per call', (arm) => `$${arm.cost.meanUsd.toFixed(6)}`),
    ...(comparison ? [`cases fixed ${comparison.fixed.count}, broken ${comparison.broken.count}`] : []),
  ]
}
