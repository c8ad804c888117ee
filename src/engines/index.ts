import type { EngineContent } from '../domain/contents'
import type { EngineAnswer, EngineCall, EngineProvider } from './engine'
import { openaiCompatible } from './openai-compatible'

export { endpointOf } from './endpoints'
export { createSlots, defaultConcurrency, paceOf, type Slots } from './pace'

/** Every way of calling an engine, by the provider that engine contents name. */
export const engineProviders = {
  'openai-compatible': openaiCompatible,
} as const satisfies Record<EngineContent['provider'], EngineProvider>

/** Calls the pinned engine through its provider. See `EngineProvider.call` for what it throws. */
export function callEngine(call: EngineCall): Promise<EngineAnswer> {
  return engineProviders[call.engine.provider].call(call)
}
