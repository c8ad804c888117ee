import { endpointUrl } from '../domain/endpoint-url'
import type { ProbeAnswer } from '../domain/probe'
import { cutText } from '../domain/text'
import type { ProbeProvider, ProbeQuestion } from './probe'

/** A scalar or one series is a few hundred bytes: more is an answer to another question. */
const maxBodyBytes = 256 * 1024
const maxQuoted = 200

/**
 * Prometheus' HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/), as Thanos, Mimir and VictoriaMetrics
 * speak it too: an instant query whose answer is a scalar, or a vector of exactly one series. POST, since a query may be
 * longer than a URL. A query that is refused (4xx) is no outage: nothing but another policy mends it.
 */
export const prometheus: ProbeProvider = {
  name: 'prometheus',
  async ask(question) {
    try {
      return await answerTo(question)
    } catch (error) {
      return down(question.signal.aborted ? 'it did not answer in time' : causeOf(error))
    }
  },
}

async function answerTo({ query, endpoint, signal }: ProbeQuestion): Promise<ProbeAnswer> {
  const response = await fetch(endpointUrl(endpoint.url, 'api/v1/query'), {
    method: 'POST',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(endpoint.apiKey === undefined ? {} : { authorization: `Bearer ${endpoint.apiKey}` }),
    },
    body: new URLSearchParams({ query }).toString(),
    // A redirect would take the key to a place that nobody configured.
    redirect: 'error',
    signal,
  })
  const text = await boundedText(response)
  if (text === undefined) return unusable(`its answer is longer than ${maxBodyBytes} bytes`)
  const body = parsed(text)
  const told = body?.status === 'error' && typeof body.error === 'string' ? `: ${quoted(body.error)}` : ''
  if (response.status >= 500 || [401, 403, 404, 408, 429].includes(response.status)) {
    return down(`it answered with status ${response.status}${told}`)
  }
  if (!response.ok) return unusable(`it refused the query with status ${response.status}${told}`)
  if (body === undefined) return unusable(`its answer is not JSON: ${quoted(text)}`)
  if (body.status !== 'success') return unusable(`its answer is no success${told}`)
  return numberOf(body.data)
}

function numberOf(data: unknown): ProbeAnswer {
  const { resultType, result } = record(data)
  if (resultType === 'scalar') return sampleOf(result)
  if (resultType !== 'vector')
    return unusable(`its answer is a ${quoted(String(resultType))}, not a scalar or a vector`)
  if (!Array.isArray(result)) return unusable('its vector is no list')
  if (result.length === 0) return unusable('its answer is empty: no series matches')
  if (result.length > 1) return unusable(`its answer has ${result.length} series: aggregate them to one`)
  return sampleOf(record(result[0]).value)
}

/** `[seconds, "text of the number"]`. Prometheus writes NaN and infinities as text too: none of them is a measurement. */
function sampleOf(sample: unknown): ProbeAnswer {
  const [, text] = Array.isArray(sample) ? sample : []
  if (typeof text !== 'string' || text.trim() === '') return unusable('its answer has no value')
  const value = Number(text)
  return Number.isFinite(value) ? { value } : unusable(`its value is ${quoted(text)}`)
}

/** The body as text; undefined where it is longer than the bound, and then no more of it is read. */
async function boundedText(response: Response): Promise<string | undefined> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.byteLength
    if (bytes > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return record(JSON.parse(text))
  } catch {
    return undefined
  }
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}

/** Foreign text in a verdict stays one short line. */
const quoted = (text: string): string => cutText(text.replace(/\s+/g, ' '), maxQuoted)

const causeOf = (error: unknown): string => {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
  return quoted(`it cannot be reached: ${cause?.code ?? cause?.message ?? message}`)
}

const down = (text: string): ProbeAnswer => ({ fault: 'provider_down', text })
const unusable = (text: string): ProbeAnswer => ({ fault: 'answer_unusable', text })
