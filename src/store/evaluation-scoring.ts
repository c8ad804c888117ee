import type { SuiteCase, SuiteContent } from '../domain/contents'
import type { CaseOutcome } from '../domain/evaluation'
import { compileSchema } from '../kinds/schema-compile'
import { prepareScorer } from '../scorers'
import type { Sample, Score } from '../scorers/scorer'
import type { Callable } from './evaluation-plan'
import type { RawResult } from './evidence-results'

/** Scores raw results; needs no engine, so stored results can be scored again at any time. */
export interface SuiteScoring {
  outcome(one: SuiteCase, repeat: number, result: RawResult, evaluationId: string): CaseOutcome
  /** A case that the engine gave no answer to. */
  failure(one: SuiteCase, repeat: number): CaseOutcome
}

export function createScoring(suite: SuiteContent, callable: Callable): SuiteScoring {
  const scorers = suite.scorers.map(({ name, scorer, options, gate }) => ({
    name,
    gate: gate === true,
    score: prepareScorer(scorer, options, { compileSchema }),
  }))
  const gates = scorers.some(({ gate }) => gate) ? scorers.filter(({ gate }) => gate) : scorers.filter(isPrimary(suite))
  const errorsOf = callable.schema ? compileSchema(callable.schema) : () => []
  return {
    outcome(one, repeat, result, evaluationId) {
      const sample = sampleOf(one, result.text, callable)
      const scores = Object.fromEntries(scorers.map(({ name, score }): [string, number] => [name, score(sample).value]))
      const isObject = typeof sample.parsed === 'object' && sample.parsed !== null && !Array.isArray(sample.parsed)
      const { text: _text, truncated: _truncated, seed: _seed, call: _call, evaluationId: payer, ...measured } = result
      return {
        ...measured,
        caseId: one.id,
        group: one.group,
        repeat,
        status: 'ok',
        scores,
        passed: gates.every(({ name }) => scores[name] === 1),
        valid: callable.schema === undefined || (sample.parsed !== undefined && errorsOf(sample.parsed).length === 0),
        ...(isObject ? { output: sample.parsed as Readonly<Record<string, unknown>> } : {}),
        fromStore: payer !== evaluationId,
      }
    },
    failure: (one, repeat) => ({ ...nothing, caseId: one.id, group: one.group, repeat }),
  }
}

const isPrimary =
  (suite: SuiteContent) =>
  ({ name }: { readonly name: string; readonly score: (sample: Sample) => Score }): boolean =>
    name === suite.primary

const nothing = {
  status: 'error',
  scores: {},
  passed: false,
  valid: false,
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  latencyMs: 0,
  costUsd: 0,
  uncachedCostUsd: 0,
  measuredAt: 0,
  fromStore: false,
} as const

function sampleOf(one: SuiteCase, text: string, { schema }: Callable): Sample {
  const parsed = parseJson(text)
  return {
    text,
    expected: one.expected,
    ...(parsed === undefined ? {} : { parsed }),
    ...(schema ? { schema } : {}),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
