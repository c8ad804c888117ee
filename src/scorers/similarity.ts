import { choiceOption, flagOption, type Sample, type Scorer, textOption, valueAt, wrong } from './scorer'
import { likenessOf, type TextMeasureName, textMeasures } from './text-measures'

/** How alike the output, or a text field of it, is to the labelled text. */
export const similarity: Scorer = {
  name: 'similarity',
  options: {
    measure: '`levenshtein` (characters), `rouge-l`, `token-f1` or `token-set` (tokens); default levenshtein',
    path: 'dots lead to the text in the JSON output; default the whole output, without the white space around it',
    expected: 'dots lead to the labelled text within `expected`; default the same path, else `text`',
    ignoreCase: 'true: upper and lower case are the same',
  },
  prepare(options) {
    const names: readonly [TextMeasureName, ...TextMeasureName[]] = ['levenshtein', 'rouge-l', 'token-f1', 'token-set']
    const measure = textMeasures[choiceOption(similarity, options, 'measure', names)]
    const path = options.path === undefined ? undefined : textOption(similarity, options, 'path')
    const label = textOption(similarity, options, 'expected', path ?? 'text')
    const folded = flagOption(similarity, options, 'ignoreCase')
    const read = ({ text, parsed }: Sample) => (path === undefined ? text : valueAt(parsed, path))
    const plain = (text: string) => (folded ? text.trim().toLowerCase() : text.trim())
    return {
      score(sample) {
        const wanted = valueAt(sample.expected, label)
        if (typeof wanted !== 'string') return wrong(`the case has no text ${label}`)
        const got = read(sample)
        if (typeof got !== 'string') return wrong(`the output has no text ${path}`)
        const { value, cut } = likenessOf(measure, plain(got), plain(wanted))
        const seen = cut ? `only the first ${measure.limit} ${measure.unit} were compared` : ''
        const note = value === 1 ? seen : `alike to ${(value * 100).toFixed(1)} %${seen === '' ? '' : `; ${seen}`}`
        return note === '' ? { value } : { value, note }
      },
    }
  },
}
