import { SluiceError } from '../errors'
import { checks } from './checks'
import { exact } from './exact'
import { field } from './field'
import { jsonSchema } from './json-schema'
import { numericTolerance } from './numeric-tolerance'
import { regex } from './regex'
import type { Sample, Score, Scorer, ScorerOptions, ScorerTools } from './scorer'

/** Every scorer by its name in suites. */
export const scorers = {
  exact,
  checks,
  regex,
  field,
  'json-schema': jsonSchema,
  'numeric-tolerance': numericTolerance,
} as const satisfies Record<string, Scorer>

export type ScorerName = keyof typeof scorers

/** Throws `invalid_content` for an unknown scorer, an unknown option or a wrong one. */
export function prepareScorer(name: string, options: ScorerOptions, tools: ScorerTools): (sample: Sample) => Score {
  if (!Object.hasOwn(scorers, name)) {
    const known = Object.keys(scorers)
    throw new SluiceError('invalid_content', `No scorer is named ${name}; known are: ${known.join(', ')}.`, { known })
  }
  const scorer: Scorer = scorers[name as ScorerName]
  const stray = Object.keys(options).find((option) => !Object.hasOwn(scorer.options, option))
  if (stray !== undefined) {
    throw new SluiceError('invalid_content', `The scorer ${name} takes no option ${stray}.`, { scorer: name, stray })
  }
  return scorer.prepare(options, tools)
}
