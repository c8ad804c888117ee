import { type Chance, chanceOf } from './chance'
import { readInstructions } from './instructions'
import { type Judgement, judge } from './judge'
import type { SimulatedModel } from './models'
import { type ChatRequest, type ChatResponse, promptTokensOf, tokensOf, truncate } from './protocol'
import { readTranscript } from './reading'
import { scoreText } from './score'

export interface Answer {
  /** Absent: the engine fails with a server error, always for this request. */
  readonly response?: ChatResponse
  /** Simulated, before scaling. */
  readonly latencyMs: number
}

const defaultMaxTokens = 1024
const defaultTemperature = 1
/** Standard deviation of the logarithm of the latency. */
const latencySpread = 0.25
/** All answers carry the same moment: an answer depends on nothing but its request. */
const createdSeconds = 1_715_000_000

/** Everything an answer depends on: model, seed, temperature and messages. */
export function requestKey(request: ChatRequest): string {
  return JSON.stringify([request.model, request.seed ?? 0, request.temperature ?? defaultTemperature, request.messages])
}

/** Splits the request's text into what is asked and the transcript between `<transcript>` marks. */
function partsOf(messages: ChatRequest['messages']): { readonly asked: string; readonly transcript: string } {
  const text = messages.map((message) => message.content).join('\n')
  const marked = /<transcript>\n?([\s\S]*?)\n?<\/transcript>/.exec(text)
  if (marked) return { asked: text.replace(marked[0], ''), transcript: marked[1] ?? '' }
  const user = messages.findLast((message) => message.role === 'user')?.content ?? ''
  return { asked: text.replace(user, ''), transcript: user }
}

function judgementOf(request: ChatRequest, model: SimulatedModel, chance: Chance, maxTokens: number): Judgement {
  const score = scoreText(request.messages)
  if (score !== undefined) return { kind: 'text', text: score }
  const { asked, transcript } = partsOf(request.messages)
  return judge({
    reading: readTranscript(transcript),
    instructions: readInstructions(asked),
    model,
    temperature: request.temperature ?? defaultTemperature,
    chance,
    maxCharacters: maxTokens * 4,
  })
}

export function answer(request: ChatRequest, model: SimulatedModel): Answer {
  const chance = chanceOf(requestKey(request))
  const maxTokens = request.max_tokens ?? defaultMaxTokens
  const judgement = judgementOf(request, model, chance, maxTokens)
  const promptTokens = promptTokensOf(request.messages)
  const { text, cut } = judgement.kind === 'text' ? truncate(judgement.text, maxTokens) : { text: '', cut: false }
  const outputTokens = tokensOf(text)
  const { baseMs, perInputTokenMs, perOutputTokenMs } = model.latency
  const typical = baseMs + perInputTokenMs * promptTokens + perOutputTokenMs * outputTokens
  const latencyMs = typical * Math.exp(latencySpread * chance.normal('latency'))
  if (judgement.kind === 'server_error') return { latencyMs }
  return {
    latencyMs,
    response: {
      id: `chatcmpl-${Math.floor(chance.uniform('id') * 2 ** 48).toString(36)}`,
      object: 'chat.completion',
      created: createdSeconds,
      model: model.id,
      system_fingerprint: model.fingerprint,
      choices: [{ index: 0, finish_reason: cut ? 'length' : 'stop', message: { role: 'assistant', content: text } }],
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: outputTokens,
        total_tokens: promptTokens + outputTokens,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    },
  }
}
