import type { Imported, ImportSettings } from './importer'

/** A model with its settings, as a foreign file has them. */
export interface ForeignModel {
  /** `openai` in `openai:gpt-4o`. */
  readonly provider: string
  readonly model: string
  readonly config: Readonly<Record<string, unknown>>
  readonly description: string
  readonly at: string
}

/** Names of parameters in the formats that are read → the name here. */
const parameterNames: Readonly<Record<string, string>> = {
  temperature: 'temperature',
  top_p: 'topP',
  topP: 'topP',
  max_tokens: 'maxOutputTokens',
  max_completion_tokens: 'maxOutputTokens',
  max_output_tokens: 'maxOutputTokens',
  maxOutputTokens: 'maxOutputTokens',
  maxTokens: 'maxOutputTokens',
  presence_penalty: 'presencePenalty',
  presencePenalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
  frequencyPenalty: 'frequencyPenalty',
  stop: 'stop',
  stop_sequences: 'stop',
  stopSequences: 'stop',
}

/** Says who asks or where, which is configuration of the server here. Values are never shown: they may be secrets. */
const connectionKeys = ['apiKey', 'apiKeyEnvar', 'apiHost', 'apiBaseUrl', 'organization', 'basePath', 'headers']

/**
 * Makes an engine; answers its reference. Prices are in no foreign file and never guessed: without one the engine is
 * lost. Settings that an engine does not hold are lost one by one.
 */
export function addEngine(into: Imported, { priceOf }: ImportSettings, foreign: ForeignModel): string | undefined {
  const { provider, model, config, description, at } = foreign
  const parameters = new Map<string, unknown>()
  let seed: unknown
  for (const [key, value] of Object.entries(config)) {
    const name = Object.hasOwn(parameterNames, key) ? parameterNames[key] : undefined
    if (value === undefined || value === null) continue
    if (name === 'stop') parameters.set(name, [value].flat())
    else if (name !== undefined) parameters.set(name, value)
    else if (key === 'seed') seed = value
    else if (connectionKeys.includes(key))
      into.noted(at, `the setting ${key}`, 'endpoints are configured on the server')
    else into.lost(at, `the setting ${key} of ${model}`, 'an engine does not hold it')
  }
  const price = priceOf(model)
  if (price === undefined) {
    into.lost(
      at,
      `the engine ${model}`,
      `its price is in no file: give --price ${model}=<input>/<cached input>/<output>`,
    )
    return undefined
  }
  const made = into.add({
    kind: 'engine',
    name: model,
    description,
    at,
    content: {
      endpoint: provider.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-'),
      model,
      parameters: Object.fromEntries(parameters),
      pricePerMillion: price,
      ...(seed === undefined ? {} : { seed }),
    },
  })
  if (made !== undefined)
    into.noted(at, `the provider ${provider}`, 'its endpoint is set on the server under this name')
  return made
}
