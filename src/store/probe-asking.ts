import type { ProbePolicy } from '../domain/policy'
import { type ProbeAnswer, type ProbePlace, probeTimeoutMs, renderProbe } from '../domain/probe'
import { endpointOf } from '../engines'
import type { Endpoints } from '../engines/engine'
import { SluiceError } from '../errors'
import { probeProviders } from '../probes'

/** One question with a bounded time-out. Never throws: what is wrong with the configuration is an answer too. */
export async function askProbe(
  { provider, query, endpoint }: Pick<ProbePolicy, 'provider' | 'query' | 'endpoint'>,
  place: ProbePlace,
  endpoints: Endpoints,
  ending?: AbortSignal,
): Promise<ProbeAnswer> {
  // Not AbortSignal.any: what it makes hangs on to a signal that outlives many questions.
  const asking = new AbortController()
  const abort = () => asking.abort()
  const timer = setTimeout(abort, probeTimeoutMs)
  ending?.addEventListener('abort', abort)
  try {
    const question = { query: renderProbe(query, place), endpoint: endpointOf(endpoints, endpoint) }
    return await probeProviders[provider].ask({ ...question, signal: asking.signal })
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { fault: error.code === 'invalid_config' ? 'provider_down' : 'answer_unusable', text: error.message }
  } finally {
    clearTimeout(timer)
    ending?.removeEventListener('abort', abort)
  }
}
