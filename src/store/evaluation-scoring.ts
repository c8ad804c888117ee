import type { ScoredSuite } from '../domain/arm-fold'
import type { SuiteCase, SuiteContent, SuiteScorer } from '../domain/contents'
import type { CaseOutcome } from '../domain/evaluation'
import type { Parts } from '../domain/figures'
import { pairOf } from '../domain/provider-change'
import type { Digest } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { promptVariables } from '../kinds/prompt-render'
import { compileSchema } from '../kinds/schema-compile'
import { patternFault } from '../kinds/schema-pattern'
import { prepareScorer } from '../scorers'
import { type PreparedScorer, type Sample, type Score, ScorerFault } from '../scorers/scorer'
import { type Judges, type Question, questionsOf } from './evaluation-judges'
import type { Callable } from './evaluation-plan'
import { sampleOf } from './evaluation-sample'
import type { RawResult } from './evidence-results'
import type { JudgeAnswer, JudgementStore } from './judgements'

/** A suite with the judges that its scorers ask. */
export interface JudgedSuite {
  readonly content: SuiteContent
  readonly judges: Judges
}

/** One raw result to be scored. */
export interface ScoredItem {
  readonly one: SuiteCase
  readonly repeat: number
  readonly result: RawResult
}

/** Scores raw results; needs no engine, so stored results can be scored again at any time. */
export interface SuiteScoring {
  /** What judges are to be asked about these results, each once a repeat. */
  questions(items: readonly ScoredItem[]): readonly Question[]
  /**
   * Outcomes in the order of the items; a page at a time, since the answers of judges are read once a page. Throws
   * `scorer_failed` naming the case on which a scorer does not work.
   */
  outcomes(items: readonly ScoredItem[], evaluationId: string): Promise<readonly CaseOutcome[]>
  /** A case that the engine gave no answer to. */
  failure(one: SuiteCase, repeat: number): CaseOutcome
  /** Ends what scoring has started; call it once, however scoring went. */
  close(): Promise<void>
}

/** Told of every answer of a judge that scores rest on, with the digest of the judge's engine. */
export type OnAnswer = (engine: Digest, answer: JudgeAnswer) => void

interface SuiteScorers {
  readonly scorer: SuiteScorer
  readonly prepared: PreparedScorer
}

/** The scorers of a suite with their options checked. Throws `invalid_content`. */
function prepareScorers({ content, judges }: JudgedSuite): readonly SuiteScorers[] {
  const variables = Object.entries(judges).map(([name, { prompt }]) => [name, promptVariables(prompt)] as const)
  const tools = { compileSchema, patternFault, judges: Object.fromEntries(variables) }
  return content.scorers.map((scorer) => ({
    scorer,
    prepared: prepareScorer(scorer.scorer, scorer.options, tools),
  }))
}

/** What reports need to know of a suite. */
export function scoredSuite(suite: JudgedSuite): ScoredSuite {
  const figures = prepareScorers(suite).flatMap(({ scorer, prepared }) =>
    prepared.figures ? [[scorer.name, prepared.figures] as const] : [],
  )
  return {
    scorers: suite.content.scorers.map(({ name }) => name),
    primary: suite.content.primary,
    ...(figures.length === 0 ? {} : { figures: Object.fromEntries(figures) }),
  }
}

/** Questions of a suite to its judges about one output. */
export const questionsEach = (suite: JudgedSuite): number =>
  prepareScorers(suite).reduce((sum, { prepared }) => sum + (prepared.asks?.repeats ?? 0), 0)

/** What judges are to be asked about an output: for each scorer that asks one, a question a repeat. */
function questionsAbout(
  scorers: readonly SuiteScorers[],
  judges: Judges,
  sample: Sample,
): Readonly<Record<string, readonly Question[]>> {
  const asked = scorers.flatMap(({ scorer, prepared: { asks } }) => {
    if (!asks) return []
    const judge = judges[asks.judge]
    assert(judge !== undefined, `the judge ${asks.judge} is loaded with its suite`)
    return [[scorer.name, questionsOf(judge, asks, sample)] as const]
  })
  return Object.fromEntries(asked)
}

export function createScoring(
  suite: JudgedSuite,
  { pipeline }: Callable,
  judgements: Pick<JudgementStore, 'answers'>,
  onAnswer: OnAnswer = () => undefined,
): SuiteScoring {
  const scorers = prepareScorers(suite)
  const sampled = (item: ScoredItem) => {
    const sample = sampleOf(item.one, item.result, pipeline)
    return { item, sample, questions: questionsAbout(scorers, suite.judges, sample) }
  }
  const asks = scorers.some(({ prepared }) => prepared.asks)
  return {
    questions: (items) => (asks ? items.flatMap((item) => Object.values(sampled(item).questions).flat()) : []),
    async outcomes(items, evaluationId) {
      const samples = items.map(sampled)
      const asked = new Map(
        samples.flatMap(({ questions }) => Object.values(questions).flat()).map((question) => [question.id, question]),
      )
      const answers: ReadonlyMap<Digest, JudgeAnswer> =
        asked.size === 0 ? new Map() : await judgements.answers([...asked.values()])
      for (const [id, answer] of answers) {
        const question = asked.get(id)
        if (question) onAnswer(question.engine, answer)
      }
      const outcomes: CaseOutcome[] = []
      for (const { item, sample, questions } of samples) {
        const scores: [string, Score][] = []
        for (const { scorer, prepared } of scorers) {
          const given = (questions[scorer.name] ?? []).map(({ id }) => answers.get(id)?.text)
          scores.push([scorer.name, await scoreOf({ prepared, name: scorer.name, caseId: item.one.id }, sample, given)])
        }
        outcomes.push(outcomeOf(item, sample, evaluationId, { scores, content: suite.content }))
      }
      return outcomes
    },
    failure: (one, repeat) => ({ ...nothing, caseId: one.id, group: one.group, repeat }),
    async close() {
      for (const { prepared } of scorers) await prepared.close?.()
    },
  }
}

interface ScoringStep {
  readonly prepared: PreparedScorer
  /** Of the score within the suite. */
  readonly name: string
  readonly caseId: string
}

async function scoreOf(
  { prepared, name, caseId }: ScoringStep,
  sample: Sample,
  answers: readonly (string | undefined)[],
): Promise<Score> {
  try {
    return await prepared.score(sample, answers)
  } catch (error) {
    if (!(error instanceof ScorerFault)) throw error
    const text = `The scorer ${name} does not work on the case ${caseId}: ${error.message}.`
    throw new SluiceError('scorer_failed', text, { scorer: name, case: caseId })
  }
}

interface ScoredSample {
  readonly scores: readonly (readonly [string, Score])[]
  readonly content: SuiteContent
}

function outcomeOf(
  { one, repeat, result }: ScoredItem,
  { parsed, mismatches = [] }: Sample,
  evaluationId: string,
  { scores, content }: ScoredSample,
): CaseOutcome {
  const { evaluationId: payer } = result
  const values = scores.flatMap(([name, score]): [string, number][] => ('value' in score ? [[name, score.value]] : []))
  const unscored = scores.flatMap(([name, score]) => ('unscored' in score ? [[name, score.unscored] as const] : []))
  const parts = scores.flatMap(([name, score]): [string, Parts][] =>
    'value' in score && score.parts ? [[name, score.parts]] : [],
  )
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  return {
    ...measuredOf(result),
    caseId: one.id,
    group: one.group,
    repeat,
    status: 'ok',
    scores: Object.fromEntries(values),
    ...(unscored.length === 0 ? {} : { unscored: Object.fromEntries(unscored) }),
    ...(parts.length === 0 ? {} : { parts: Object.fromEntries(parts) }),
    ...gatesOf(content, new Map(values), new Set(unscored.map(([name]) => name))),
    valid: mismatches.length === 0,
    ...(isObject ? { output: parsed as Readonly<Record<string, unknown>> } : {}),
    fromStore: payer !== evaluationId,
  }
}

/** What the calls took and who answered: all but what was said. */
function measuredOf(result: RawResult) {
  const { latencyMs, inputTokens, cachedTokens, outputTokens, costUsd, uncachedCostUsd, measuredAt } = result
  const { branch, classifier } = result
  return {
    ...{ latencyMs, inputTokens, cachedTokens, outputTokens, costUsd, uncachedCostUsd, measuredAt },
    ...pairOf(result),
    ...(branch === undefined ? {} : { branch }),
    ...(classifier === undefined ? {} : { classifier }),
  }
}

/** Without a gate the primary scorer is one. */
function gatesOf(
  { scorers, primary }: SuiteContent,
  values: ReadonlyMap<string, number>,
  unscored: ReadonlySet<string>,
): Pick<CaseOutcome, 'passed' | 'undecided'> {
  const named = scorers.filter(({ gate }) => gate === true)
  const gates = named.length > 0 ? named : scorers.filter(({ name }) => name === primary)
  const open = gates.filter(({ name }) => unscored.has(name))
  const closed = gates.filter((gate) => !open.includes(gate))
  const passed = closed.every(({ name, passAt = 1 }) => (values.get(name) ?? 0) >= passAt)
  return open.length > 0 && passed ? { passed: false, undecided: true } : { passed }
}

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
