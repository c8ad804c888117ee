import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CaseRow } from '../../examples/airline/build-cases'
import { cutsOf } from '../../examples/airline/transcript'
import { projectRoot } from '../../src/embedded/files'

export const workspace = 'examples/airline'

/** Every transcript as the beginnings that live traffic scores, the whole one last. */
export function readTranscripts(): readonly (readonly string[])[] {
  const text = readFileSync(join(projectRoot(), workspace, 'datasets/airline-cases/1.0.0.jsonl'), 'utf8')
  const cases = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CaseRow)
  return cases.map(({ input }) => cutsOf(input.transcript))
}
