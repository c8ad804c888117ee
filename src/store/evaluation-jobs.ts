import type { EngineContent, SuiteCase } from '../domain/contents'
import type { Digest } from '../domain/version'
import { type Pipeline, worstRequestUsd } from '../pipeline/pipeline'
import { digestOf } from './canonical'
import {
  type Callable,
  type CaseRequest,
  casePages,
  type EvaluationCatalog,
  type LoadedSuite,
  requestOf,
} from './evaluation-plan'
import type { ResultKey, ResultStore, StoredResult } from './evidence-results'

/** A case and repeat that has no stored result yet: one call, or those that a router makes of it. */
export interface CallJob {
  readonly arm: Callable
  readonly key: ResultKey
  readonly request: CaseRequest
  /** Digest of all that may differ between two jobs of one composite. */
  readonly call: Digest
}

/** Some cases of a suite with what is left to call for them. */
export interface JobPage {
  readonly cases: readonly SuiteCase[]
  /** Candidate and incumbent of a case run next to each other, so that they meet the provider in the same mood. */
  readonly jobs: readonly CallJob[]
  /** Results that are there: of this suite, or answered in another suite to the same call. */
  readonly stored: number
}

export interface JobsOf {
  readonly suite: LoadedSuite
  readonly arms: readonly Callable[]
}

/** Every place of a suite that holds, or will hold, a result of the arm. */
export const keysOf = (suite: LoadedSuite, arm: Callable, cases: readonly SuiteCase[]): readonly ResultKey[] =>
  cases.flatMap(({ id }) => repeatsOf(suite).map((repeat) => keyOf(suite, arm, id, repeat)))

export const repeatsOf = ({ content }: LoadedSuite): readonly number[] =>
  Array.from({ length: content.repeats }, (_, repeat) => repeat)

const keyOf = (suite: LoadedSuite, arm: Callable, caseId: string, repeat: number): ResultKey => ({
  composite: arm.composite,
  suite: suite.digest,
  caseId,
  repeat,
})

/** What is left to call, a page of cases at a time, the next one read while the one before is worked on. */
export function jobPages(catalog: EvaluationCatalog, results: ResultStore, of: JobsOf): AsyncGenerator<JobPage> {
  return ahead(openPages(catalog, results, of))
}

async function* openPages(catalog: EvaluationCatalog, results: ResultStore, of: JobsOf): AsyncGenerator<JobPage> {
  for await (const cases of casePages(catalog, of.suite)) {
    const open: CallJob[] = []
    for (const arm of of.arms) open.push(...(await openJobs(results, of.suite, arm, cases)))
    const places = new Map(cases.map(({ id }, place) => [id, place]))
    const place = ({ key }: CallJob): number => (places.get(key.caseId) ?? 0) * of.suite.content.repeats + key.repeat
    const jobs = open.sort((a, b) => place(a) - place(b))
    yield { cases, jobs, stored: of.arms.length * cases.length * of.suite.content.repeats - jobs.length }
  }
}

/** Jobs without a result, after taking over what another suite paid for. */
async function openJobs(
  results: ResultStore,
  suite: LoadedSuite,
  ...[arm, cases]: [Callable, readonly SuiteCase[]]
): Promise<readonly CallJob[]> {
  const missing = await missingJobs(results, suite, arm, cases)
  if (missing.length === 0) return missing
  const answered = await results.byCalls(arm.composite, missing.map(callOf))
  await results.adopt(
    missing.flatMap(({ key, call }): StoredResult[] => {
      const result = answered.get(call)
      return result ? [{ ...key, result }] : []
    }),
  )
  return missing.filter(({ call }) => !answered.has(call))
}

export const callOf = ({ call }: CallJob): Digest => call

/** Jobs without a result on this very suite. */
export async function missingJobs(
  results: ResultStore,
  suite: LoadedSuite,
  ...[arm, cases]: [Callable, readonly SuiteCase[]]
): Promise<readonly CallJob[]> {
  const known = new Set((await results.known(keysOf(suite, arm, cases))).map(placeOf))
  return cases.flatMap((one) => {
    const request = requestOf(arm.pipeline, suite.content, one)
    return repeatsOf(suite).flatMap((repeat): CallJob[] => {
      const key = keyOf(suite, arm, one.id, repeat)
      return known.has(placeOf(key)) ? [] : [{ arm, key, request, call: callDigest(arm.pipeline, request, repeat) }]
    })
  })
}

/** Each repeat has seeds of its own. */
export const seedOf = ({ seed = 0 }: EngineContent, repeat: number): number => seed + repeat

function callDigest({ engine }: Pipeline, { messages, question, attributes }: CaseRequest, repeat: number): Digest {
  if (!('engines' in engine)) return digestOf({ messages, seed: seedOf(engine, repeat) })
  return digestOf({ messages, repeat, attributes, ...(question === undefined ? {} : { question }) })
}

/** An upper bound of what one job may cost. */
export const worstCost = ({ arm, request }: CallJob): number => worstRequestUsd(arm.pipeline, request)

/** Names a place within one arm and suite. */
export const placeOf = ({ caseId, repeat }: Pick<ResultKey, 'caseId' | 'repeat'>): string => `${repeat}/${caseId}`

/** Asks for the next value before this one is done with. */
async function* ahead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  const ask = (): Promise<IteratorResult<T>> => {
    const coming = source.next()
    // Whoever takes it gets the fault; until then it must not count as unhandled.
    coming.catch(() => undefined)
    return coming
  }
  let coming = ask()
  try {
    for (;;) {
      const { done, value } = await coming
      if (done) return
      coming = ask()
      yield value
    }
  } finally {
    await coming.catch(() => undefined)
    await source.return(undefined)
  }
}
