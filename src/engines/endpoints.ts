import { SluiceError } from '../errors'
import type { Endpoint, Endpoints } from './engine'

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function invalid(message: string): never {
  throw new SluiceError('invalid_config', `SLUICE_ENDPOINTS: ${message}`, { variable: 'SLUICE_ENDPOINTS' })
}

/**
 * Reads `{ "<endpoint>": { "url": "https://…/v1", "apiKeyEnv": "VARIABLE" } }`, the value of SLUICE_ENDPOINTS.
 * `environment` holds the variables that `apiKeyEnv` names. Throws `invalid_config`.
 */
export function readEndpoints(text: string, environment: Readonly<Record<string, string | undefined>>): Endpoints {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    invalid('it is not JSON.')
  }
  if (!isRecord(value)) invalid('it must be an object of endpoints by name.')
  return Object.fromEntries(Object.entries(value).map(([name, row]) => [name, readEndpoint(name, row, environment)]))
}

function readEndpoint(name: string, row: unknown, environment: Readonly<Record<string, string | undefined>>): Endpoint {
  if (!isRecord(row) || typeof row.url !== 'string' || !URL.canParse(row.url)) invalid(`${name} needs a url.`)
  const { url, apiKeyEnv } = row
  if (apiKeyEnv === undefined) return { url }
  if (typeof apiKeyEnv !== 'string') invalid(`apiKeyEnv of ${name} must name a variable.`)
  const apiKey = environment[apiKeyEnv]
  if (!apiKey) invalid(`${name} takes its key from ${apiKeyEnv}, which is not set.`)
  return { url, apiKey }
}

/** Throws `invalid_config` where the engine names an endpoint that is not configured. */
export function endpointOf(endpoints: Endpoints, name: string): Endpoint {
  const endpoint = endpoints[name]
  if (endpoint) return endpoint
  const known = Object.keys(endpoints).join(', ') || 'none'
  throw new SluiceError('invalid_config', `No endpoint ${name} is configured; configured are: ${known}.`, {
    variable: 'SLUICE_ENDPOINTS',
    endpoint: name,
  })
}
