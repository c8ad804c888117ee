import { SluiceError } from '../errors'
import type { Endpoint, Endpoints } from './engine'

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
