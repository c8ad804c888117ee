import { SluiceError } from '../errors'
import { checks } from './checks'
import { exact } from './exact'
import { field } from './field'
import { fields } from './fields'
import { jsonSchema } from './json-schema'
import { judge } from './judge'
import { moduleScorer } from './module'
import { numericTolerance } from './numeric-tolerance'
import { regex } from './regex'
import type { PreparedScorer, Scorer, ScorerOptions, ScorerTools } from './scorer'
import { set } from './set'
import { similarity } from './similarity'

/** Every scorer by its name in suites. */
export const scorers = {
  exact,
  checks,
  regex,
  field,
  fields,
  set,
  'json-schema': jsonSchema,
  'numeric-tolerance': numericTolerance,
  similarity,
  judge,
  module: moduleScorer,
} as const satisfies Record<string, Scorer>

export type ScorerName = keyof typeof scorers

/** Throws `invalid_content` for an unknown scorer, an unknown option or a wrong one. */
export function prepareScorer(name: string, options: ScorerOptions, tools: ScorerTools): PreparedScorer {
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
