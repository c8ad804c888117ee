import type { SuiteScore } from '../store/suite-scores'
import type { Cli } from './cli'

const shortDigest = 19
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

/** Enough of a digest to tell two apart. */
export const short = (digest: string): string => digest.slice(0, shortDigest)

export async function scoresOf(cli: Cli, composite: string): Promise<readonly SuiteScore[]> {
  const path = `/v1/composites/${encodeURIComponent(composite)}/scores`
  return (await cli.api.get<{ items: readonly SuiteScore[] }>(path)).items
}

/** What each column's composite scored, a suite a line: scores of different suites stand under each other, unrelated. */
export function printBySuite(cli: Cli, columns: readonly (readonly [string, readonly SuiteScore[]])[]): void {
  const refs = new Map(columns.flatMap(([, scores]) => scores.map(({ suite, ref }) => [suite, ref] as const)))
  const cell = (scores: readonly SuiteScore[], suite: string): string => {
    const score = scores.find((one) => one.suite === suite)
    if (!score) return 'not scored'
    const { mean, lower, upper } = score.accuracy
    return `${percent(mean)} (${percent(lower)} – ${percent(upper)}) ${score.verdict}`
  }
  cli.print.table(
    ['SUITE', ...columns.map(([name]) => name)],
    [...refs]
      .sort(([, a], [, b]) => (a < b ? -1 : 1))
      .map(([suite, ref]) => [ref, ...columns.map(([, scores]) => cell(scores, suite))]),
  )
}
