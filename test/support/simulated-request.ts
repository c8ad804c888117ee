import { type Answer, answer } from '../../examples/engine/answer'
import { models } from '../../examples/engine/models'
import type { ChatRequest } from '../../examples/engine/protocol'
import type { PromptContent } from '../../src/domain/contents'
import { renderPrompt } from '../../src/kinds/prompt-render'
import { readAirline } from './airline'

/** Prompts of the example workspace by semver. */
export async function airlinePrompts(): Promise<ReadonlyMap<string, PromptContent>> {
  const { artifacts } = await readAirline()
  const prompts = artifacts.filter(({ kind, name }) => kind === 'prompt' && name === 'csat')
  return new Map(prompts.map(({ semver, content }) => [semver, content as PromptContent]))
}

/** The request that the example's engine version makes for one transcript. */
export function airlineRequest(prompt: PromptContent, transcript: string, seed = 7): ChatRequest {
  const messages = renderPrompt(prompt, { transcript })
  return { model: 'sim-small-1', temperature: 0.2, max_tokens: 1600, seed, messages }
}

export function ask(request: ChatRequest): Answer {
  const model = models.find(({ id }) => id === request.model)
  if (!model) throw new Error(`no model ${request.model}`)
  return answer(request, model)
}

export interface Report {
  readonly resolved: boolean
  readonly csat: number
  readonly reason: string
  readonly transferred: boolean
  readonly summary: string
}

export const textOf = (given: Answer): string => given.response?.choices[0].message.content ?? ''
export const reportOf = (given: Answer): Report => JSON.parse(textOf(given)) as Report
