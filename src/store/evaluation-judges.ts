import type { EngineContent, JudgeVariable, PromptContent, PromptMessage, SuiteContent } from '../domain/contents'
import type { Digest } from '../domain/version'
import { promptVariables, renderPrompt } from '../kinds/prompt-render'
import type { JudgeRequest, Sample } from '../scorers/scorer'
import { digestOf } from './canonical'
import type { Catalog } from './catalog'
import type { QuestionKey } from './judgements'

/** A judge of a suite, as it is called. */
export interface Judge {
  /** Digest of what it is pinned to. */
  readonly digest: Digest
  readonly engine: EngineContent
  /** Digest of the engine version, which every question carries. */
  readonly engineDigest: Digest
  readonly prompt: PromptContent
}

/** Name → judge. */
export type Judges = Readonly<Record<string, Judge>>

/** One call of a judge about one output. */
export interface Question extends QuestionKey {
  readonly messages: readonly PromptMessage[]
  readonly seed: number
}

/** Throws unknown_ref. */
export async function loadJudges(
  catalog: Pick<Catalog, 'byDigest'>,
  { judges = {} }: Pick<SuiteContent, 'judges'>,
): Promise<Judges> {
  const loaded: [string, Judge][] = []
  for (const [name, { engine, prompt }] of Object.entries(judges)) {
    const judge: Judge = {
      digest: digestOf({ engine, prompt }),
      engine: (await catalog.byDigest('engine', engine)).content as EngineContent,
      engineDigest: engine,
      prompt: (await catalog.byDigest('prompt', prompt)).content as PromptContent,
    }
    loaded.push([name, judge])
  }
  return Object.fromEntries(loaded)
}

/** One question for each repeat; repeats differ in their seed alone. */
export function questionsOf(judge: Judge, { repeats, values }: JudgeRequest, sample: Sample): readonly Question[] {
  const given = values(sample)
  const wanted = promptVariables(judge.prompt) as readonly JudgeVariable[]
  const messages = renderPrompt(judge.prompt, Object.fromEntries(wanted.map((name) => [name, given[name]])))
  const output = digestOf({ output: sample.text })
  return Array.from({ length: repeats }, (_, repeat) => {
    const seed = (judge.engine.seed ?? 0) + repeat
    const id = digestOf({ engine: judge.engineDigest, messages, seed })
    return { id, judge: judge.digest, engine: judge.engineDigest, output, messages, seed }
  })
}
