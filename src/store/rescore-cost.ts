import type { SuiteCase } from '../domain/contents'
import { longestOutput, worstCostUsd } from '../domain/pricing'
import type { RescoreCost } from '../domain/rescore'
import { assert } from '../errors'
import { enginesOf, type Pipeline } from '../pipeline/pipeline'
import { type CallJob, callOf, keysOf, missingJobs, worstCost } from './evaluation-jobs'
import type { Question } from './evaluation-judges'
import { type Callable, casePages, type EvaluationCatalog, type LoadedSuite } from './evaluation-plan'
import { createScoring, type ScoredItem, type SuiteScoring } from './evaluation-scoring'
import type { RawResult, ResultStore } from './evidence-results'

interface CostQuestion {
  readonly suite: LoadedSuite
  readonly arm: Callable
}

/** What running a suite on a composite would call and cost at most, judges included; calls nothing and writes nothing. */
export async function rescoreCost(
  catalog: EvaluationCatalog,
  results: ResultStore,
  { suite, arm }: CostQuestion,
): Promise<RescoreCost> {
  const scoring = createScoring(suite, arm, results.judgements)
  const total = { paidCalls: 0, judgeCalls: 0, worstUsd: 0 }
  try {
    for await (const cases of casePages(catalog, suite)) {
      const missing = await missingJobs(results, suite, arm, cases)
      const answered = await results.answered(arm.composite, missing.map(callOf))
      const paid = missing.filter(({ call }) => !answered.has(call))
      const questions = await openQuestions(results, { suite, arm, scoring, cases, missing, paid })
      total.paidCalls += paid.length
      total.judgeCalls += questions.length
      for (const job of paid) total.worstUsd += worstCost(job)
      for (const question of questions) total.worstUsd += worstOf(suite, question)
    }
  } finally {
    await scoring.close()
  }
  return { freeCalls: suite.cases * suite.content.repeats - total.paidCalls, ...total }
}

interface PageQuestion extends CostQuestion {
  readonly scoring: SuiteScoring
  readonly cases: readonly SuiteCase[]
  readonly missing: readonly CallJob[]
  readonly paid: readonly CallJob[]
}

/** Questions without an answer about the outputs that are there, and all those about outputs that are not. */
async function openQuestions(results: ResultStore, page: PageQuestion): Promise<readonly Question[]> {
  const { suite, arm, scoring, cases, missing, paid } = page
  if (Object.keys(suite.judges).length === 0) return []
  const byId = new Map(cases.map((one) => [one.id, one]))
  const item = (caseId: string, repeat: number, result: RawResult): readonly ScoredItem[] => {
    const one = byId.get(caseId)
    return one ? [{ one, repeat, result }] : []
  }
  const stored = (await results.read(keysOf(suite, arm, cases))).flatMap((row) =>
    item(row.caseId, row.repeat, row.result),
  )
  const others = await results.byCalls(arm.composite, missing.map(callOf))
  const taken = missing.flatMap(({ key, call }) => {
    const result = others.get(call)
    return result ? item(key.caseId, key.repeat, result) : []
  })
  const asked = new Map(scoring.questions([...stored, ...taken]).map((question) => [question.id, question]))
  for (const id of await results.judgements.answered([...asked.values()])) asked.delete(id)
  const text = longestOf(arm.pipeline)
  const unknown = paid.flatMap(({ key, call }) => item(key.caseId, key.repeat, { ...nothing, text, call }))
  return [...asked.values(), ...scoring.questions(unknown)]
}

/** Whichever engine answers. */
const longestOf = (pipeline: Pipeline): string =>
  enginesOf(pipeline)
    .map(longestOutput)
    .reduce((longest, text) => (text.length > longest.length ? text : longest))

/** An answer that was never given; only its text matters to a question. */
const nothing = {
  truncated: false,
  latencyMs: 0,
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  costUsd: 0,
  uncachedCostUsd: 0,
  measuredAt: 0,
  evaluationId: '',
} as const

function worstOf({ judges }: LoadedSuite, { judge: digest, messages }: Question): number {
  const judge = Object.values(judges).find((one) => one.digest === digest)
  assert(judge !== undefined, 'every question is to a judge of the suite')
  return worstCostUsd(
    judge.engine,
    messages.reduce((sum, { content }) => sum + content.length, 0),
  )
}
