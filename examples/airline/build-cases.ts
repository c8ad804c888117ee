/**
 * Builds the dataset `airline-cases` from the conversations in `data/`:
 * `node dist/examples/airline/build-cases.js examples/airline`. A test holds the committed file to this.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderTranscript, type SourceConversation, wasTransferred } from './transcript'

/** One line of the dataset: what the prompt gets, what is expected, and the group that cases are not independent in. */
export interface CaseRow {
  readonly id: string
  readonly group: string
  readonly input: { readonly transcript: string }
  readonly expected: { readonly resolved: boolean; readonly transferred: boolean }
}

export function caseOf(conversation: SourceConversation): CaseRow {
  return {
    id: conversation.id,
    group: `task-${String(conversation.task).padStart(2, '0')}`,
    input: { transcript: renderTranscript(conversation.messages) },
    expected: { resolved: conversation.resolved, transferred: wasTransferred(conversation.messages) },
  }
}

export function buildCases(source: string): string {
  const lines = source.split('\n').filter((line) => line !== '')
  return lines.map((line) => `${JSON.stringify(caseOf(JSON.parse(line) as SourceConversation))}\n`).join('')
}

if (require.main === module) {
  const folder = process.argv[2] ?? 'examples/airline'
  const source = readFileSync(join(folder, 'data/airline.jsonl'), 'utf8')
  writeFileSync(join(folder, 'datasets/airline-cases/1.0.0.jsonl'), buildCases(source))
}
