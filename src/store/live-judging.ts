import { bucketOf } from '../domain/bucket'
import type { LiveJudgePolicy } from '../domain/policy'
import { failsBy } from '../domain/quality'
import { rolloutEnvironment } from '../domain/rollout'
import type { StratumKey } from '../domain/telemetry'
import type { Endpoints } from '../engines/engine'
import { assert, SluiceError } from '../errors'
import { promptVariables } from '../kinds/prompt-render'
import { compileSchema } from '../kinds/schema-compile'
import { patternFault } from '../kinds/schema-pattern'
import { prepareScorer } from '../scorers'
import { scoreAlone } from '../scorers/judge'
import type { PreparedScorer, Sample } from '../scorers/scorer'
import type { ReleaseFile } from './assessor'
import { digestOf } from './canonical'
import type { Captures, ReadContent } from './captures'
import type { Catalog } from './catalog'
import type { CollectionSpec, Database } from './database'
import { EvaluationBudget } from './evaluation-budget'
import { type Judge, loadJudges, type Question, questionsOf } from './evaluation-judges'
import { Judging } from './evaluation-judging'
import type { Evidence } from './evidence'
import type { JudgementStore } from './judgements'
import { unitOf } from './outcome-join'
import type { LoggedRequest } from './request-log'
import type { Telemetry } from './telemetry'

export interface LiveJudgingDeps {
  readonly database: Database
  readonly catalog: Catalog
  readonly captures: Captures
  readonly evidence: Pick<Evidence, 'results'>
  readonly telemetry: Pick<Telemetry, 'joinScores' | 'requests'>
  readonly endpoints: Endpoints
  /** From one round to the next: with the policy's rate it says how many a round may judge. */
  readonly roundMs: number
}

/** One conversation that was judged, or on whose output the judge's answer said nothing. */
interface ScoreDocument {
  readonly _id: string
  readonly releaseId: string
  readonly metric: string
  readonly unit: string
  readonly requestId: string
  readonly key: StratumKey
  readonly value?: number
  readonly unscored?: string
  readonly at: Date
  /** Not joined with its unit yet. */
  readonly pending?: true
}

interface CursorDocument {
  readonly _id: string
  readonly at: number
}

export const liveJudgingCollections: readonly CollectionSpec[] = [
  {
    name: 'liveScores',
    indexes: [{ key: { releaseId: 1, metric: 1, pending: 1 }, partial: { pending: { $exists: true } } }],
  },
  { name: 'liveJudgeCursors' },
]

/** Requests and their captures arrive within a few flushes; what comes later is passed over, in both arms alike. */
const settleMs = 15_000
const maxScanned = 2_000
const maxPending = 500
/** An application that lags tells of the request first and of its conversation later; for so long a score waits for it. */
const joinWithinMs = 3_600_000
const concurrency = 4
/** A salt of its own: who is judged has nothing to do with who gets a candidate. */
const judgeSalt = 'judge'

type Served = Pick<
  LoggedRequest,
  'requestId' | 'environment' | 'task' | 'tenant' | 'conversation' | 'seq' | 'slice' | 'arm' | 'composite' | 'at'
>

/**
 * One round of one judge of a release: the next captured conversations of the sample, oldest first, as many as the rate and
 * the money allow. Answers how many were scored. Every answer is stored before it is used, and every score before it is joined,
 * so a process that dies pays for nothing twice and leaves nothing behind. One caller at a time.
 */
export async function judgeRound(deps: LiveJudgingDeps, file: ReleaseFile, policy: LiveJudgePolicy): Promise<number> {
  await joinPending(deps, file, policy)
  const { picked, next } = await nextOf(deps, file, policy)
  const readable = picked.length === 0 ? [] : await contentsOf(deps, file, picked)
  const documents = readable.length === 0 ? [] : await scoresOf(deps, file, policy, readable)
  if (documents.length > 0) {
    const writes = documents.map((document) => ({
      updateOne: { filter: { _id: document._id }, update: { $setOnInsert: document }, upsert: true },
    }))
    await deps.database.collection<ScoreDocument>('liveScores').bulkWrite(writes)
    await joinPending(deps, file, policy)
  }
  await cursors(deps).updateOne({ _id: idOf(file, policy) }, { $max: { at: next } }, { upsert: true })
  return documents.length
}

const idOf = ({ record }: ReleaseFile, { metric }: LiveJudgePolicy): string => `${record.id}/${metric}`
const cursors = ({ database }: LiveJudgingDeps) => database.collection<CursorDocument>('liveJudgeCursors')

/** The sampled conversations that come next, each by its first request, and where the round after goes on. */
async function nextOf(deps: LiveJudgingDeps, file: ReleaseFile, policy: LiveJudgePolicy) {
  const { database, roundMs } = deps
  const environment = rolloutEnvironment(file.policy)
  const { task } = file.plan
  const entries = database
    .collection<{ seq: number }>('allocations')
    .find({ environment, task, releaseId: file.record.id })
  const seqs = (await entries.project<{ seq: number }>({ seq: 1 }).toArray()).map(({ seq }) => seq)
  const from = (await cursors(deps).findOne({ _id: idOf(file, policy) }))?.at ?? file.record.createdAt
  const now = await database.now()
  const until = now - settleMs
  if (seqs.length === 0 || until <= from) return { picked: [], next: from }
  const rows = await deps.telemetry.requests.between({ environment, task }, from, until, maxScanned)
  const units = new Map<string, Served>()
  for (const row of rows) {
    const { tenant, conversation, seq, arm } = row
    if (!seqs.includes(seq) || arm === 'none') continue
    if (bucketOf(judgeSalt, tenant, conversation) >= policy.sampleBasisPoints) continue
    const unit = unitOf(tenant, conversation)
    if (!units.has(unit)) units.set(unit, row)
  }
  const known = await database
    .collection<ScoreDocument>('liveScores')
    .find({ _id: { $in: [...units.keys()].map((unit) => `${idOf(file, policy)}/${unit}`) } })
    .project<{ unit: string }>({ unit: 1 })
    .toArray()
  for (const { unit } of known) units.delete(unit)
  const open = [...units.values()]
  // Below one a round, most rounds judge nothing.
  const upTo = (rounds: number): number => Math.floor((rounds * policy.perMinute * roundMs) / 60_000)
  const round = Math.floor(now / roundMs)
  const count = upTo(round + 1) - upTo(round)
  const last = rows.at(-1)?.at ?? until
  // More of one millisecond than a page holds would be read for ever.
  const end = rows.length < maxScanned ? until : Math.max(last, from + 1)
  return { picked: open.slice(0, count), next: open[count]?.at ?? end }
}

interface Readable {
  readonly request: Served
  readonly content: ReadContent
}

/** What can be read of them. That it was read, and for what, is written down first, as for any reader. */
async function contentsOf({ captures }: LiveJudgingDeps, { record }: ReleaseFile, picked: readonly Served[]) {
  const found: Readable[] = []
  for (const request of picked) {
    if ((await captures.state(request)).state !== 'kept') continue
    try {
      const author = { by: 'sluice', reason: `judged for release ${record.id}` }
      found.push({ request, content: await captures.read(request, author) })
    } catch (error) {
      // Erased or expired between the two looks, or sealed with a key that is gone: nobody can judge it.
      if (!(error instanceof SluiceError) || !error.code.startsWith('capture_')) throw error
    }
  }
  return found
}

async function scoresOf(
  deps: LiveJudgingDeps,
  file: ReleaseFile,
  policy: LiveJudgePolicy,
  readable: readonly Readable[],
): Promise<readonly ScoreDocument[]> {
  const { metric, engine, prompt, rubric, budgetUsd } = policy
  const judgements = wordless(deps.evidence.results.judgements)
  const judge = (await loadJudges(deps.catalog, { judges: { [metric]: { engine, prompt } } }))[metric]
  assert(judge !== undefined, 'the judge that was loaded is there')
  const scorer = scorerOf(metric, judge, rubric)
  const evaluationId = `live/${idOf(file, policy)}`
  const judging = new Judging(judgements, {
    ...{ evaluationId, judges: { [metric]: judge }, endpoints: deps.endpoints, concurrency },
    budget: new EvaluationBudget(budgetUsd, (await judgements.paidBy(evaluationId)).costUsd),
    expected: readable.length,
  })
  const asked = readable.map(({ request, content }) => {
    const sample = sampleOf(content)
    return { request, sample, questions: questionsFor(request, scorer, judge, sample) }
  })
  await judging.ask(asked.flatMap(({ questions }) => questions))
  const answered = await judgements.answers(asked.flatMap(({ questions }) => questions))
  const at = new Date(await deps.database.now())
  const scored = asked.map(async ({ request, sample, questions }): Promise<readonly ScoreDocument[]> => {
    const answers = questions.map(({ id }) => answered.get(id)?.text)
    // No answer is no judgement: the provider was down, or the money is used up.
    if (answers.every((answer) => answer === undefined)) return []
    const { requestId, environment, task, seq, slice, arm, composite, tenant, conversation } = request
    const unit = unitOf(tenant, conversation)
    const key = { environment, task, seq, slice, arm, composite }
    const score = await scorer.score(sample, answers)
    const base = { _id: `${idOf(file, policy)}/${unit}`, releaseId: file.record.id, metric, unit, requestId, key, at }
    return [
      'unscored' in score ? { ...base, unscored: score.unscored } : { ...base, value: score.value, pending: true },
    ]
  })
  return (await Promise.all(scored)).flat()
}

/** What was captured is encrypted: an answer that may quote it is kept as its score alone. */
const wordless = (judgements: JudgementStore): JudgementStore => ({
  ...judgements,
  put: (place, answer) => judgements.put(place, { ...answer, text: scoreAlone(answer.text) }),
})

function scorerOf(metric: string, judge: Judge, rubric: string | undefined): PreparedScorer {
  const options = { judge: metric, ...(rubric === undefined ? {} : { rubric }) }
  return prepareScorer('judge', options, {
    compileSchema,
    patternFault,
    judges: { [metric]: promptVariables(judge.prompt) },
  })
}

/**
 * Known by the request and not by its content, whose digest would tell what is erased to whoever can guess it. A request is
 * judged once by a judge, whatever else asks the same question.
 */
function questionsFor(
  { requestId }: Served,
  scorer: PreparedScorer,
  judge: Judge,
  sample: Sample,
): readonly Question[] {
  assert(scorer.asks !== undefined, 'the scorer asks its judge')
  return questionsOf(judge, scorer.asks, sample).map((question) => ({
    ...question,
    id: digestOf({ live: requestId, judge: judge.digest, seed: question.seed }),
    output: digestOf({ live: requestId }),
  }))
}

/** Live outputs have no expectation. */
function sampleOf({ input = {}, output }: ReadContent): Sample {
  const text = typeof output === 'string' ? output : JSON.stringify(output ?? null)
  return { text, input, expected: {} }
}

/** Joins what was scored and not joined yet: by this round, or by one whose process died. */
async function joinPending(deps: LiveJudgingDeps, file: ReleaseFile, { metric }: LiveJudgePolicy): Promise<void> {
  const custom = file.policy.guardrails.find((guardrail) => guardrail.metric === metric)?.custom
  const rows = deps.database.collection<ScoreDocument>('liveScores')
  const open = { releaseId: file.record.id, metric, pending: true as const }
  const pending = await rows.find(open).sort({ at: -1 }).limit(maxPending).toArray()
  if (pending.length === 0 || custom === undefined) return
  const works = pending.flatMap(({ key, unit, value }) =>
    value === undefined ? [] : [{ key, unit, metric, told: { value, failed: failsBy(custom, value), sources: [] } }],
  )
  const unknown = new Set((await deps.telemetry.joinScores(works)).map(({ unit }) => unit))
  const since = (await deps.database.now()) - joinWithinMs
  const done = pending.filter(({ unit, at }) => !unknown.has(unit) || at.getTime() < since)
  await rows.updateMany({ _id: { $in: done.map(({ _id }) => _id) } }, { $unset: { pending: '' } })
}
