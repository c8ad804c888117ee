import { isRecord } from '../domain/diff'
import { createModuleSandbox, moduleFault } from './module-sandbox'
import { countOption, invalidOptions, type Scored, type Scorer, ScorerFault, textOption } from './scorer'

const maxSourceCharacters = 50_000
const maxNoteCharacters = 500

/**
 * A function of one's own, pinned by its text: `(sample) => score`, where sample is `{ text, parsed, input, expected }`
 * and the score is a number from 0 to 1, or `{ value, note }`. It runs apart from the product: see `module-sandbox.ts`.
 */
export const moduleScorer: Scorer = {
  name: 'module',
  options: {
    source: 'the text of one JavaScript function expression, such as `({ text }) => text.length < 80 ? 1 : 0`',
    timeoutMs: 'longest time for one sample, 10 to 5000 ms; default 500',
  },
  prepare(options) {
    const source = textOption(moduleScorer, options, 'source')
    if (source.length > maxSourceCharacters) {
      invalidOptions(moduleScorer.name, `source is longer than ${maxSourceCharacters} characters.`)
    }
    const fault = moduleFault(source)
    if (fault !== undefined) invalidOptions(moduleScorer.name, `source is no function expression: ${fault}.`)
    const timeoutMs = countOption(moduleScorer, options, 'timeoutMs', { least: 10, most: 5_000, fallback: 500 })
    const sandbox = createModuleSandbox(source, timeoutMs)
    return {
      async score({ text, parsed, input, expected }) {
        return readScore(await sandbox.run({ text, parsed, input, expected }))
      },
      close: () => sandbox.close(),
    }
  },
}

function readScore(result: unknown): Scored {
  const { value, note } = isRecord(result) ? result : { value: result, note: undefined }
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
    throw new ScorerFault('the function gave neither a number from 0 to 1 nor { value, note } with one')
  }
  return typeof note === 'string' ? { value, note: note.slice(0, maxNoteCharacters) } : { value }
}
