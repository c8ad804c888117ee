import { type ErrorCode, errorTable, SluiceError } from '../errors'
import { fetchUnreferenced } from './event-stream'
import type { ServerClock } from './server-clock'

export interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** A GET whose answer goes on and on: it does not keep the process alive. */
  readonly isBackground?: boolean
}

/** The server as the SDK calls it: authenticated, its time read off every answer, faults as `SluiceError`. */
export class Http {
  private readonly url: string
  private readonly apiKey: string
  private readonly clock: ServerClock

  constructor(url: string, apiKey: string, clock: ServerClock) {
    this.url = url.replace(/\/+$/, '')
    this.apiKey = apiKey
    this.clock = clock
  }

  /** Answers of 2xx and 304. Throws the server's error, `payload_too_large` for any 413, else `api_unreachable`. */
  async call(path: string, options: CallOptions = {}): Promise<Response> {
    const { signal } = options
    const sentAt = this.clock.elapsed()
    let response: Response
    try {
      response = options.isBackground
        ? await fetchUnreferenced(this.url + path, this.headersOf(options), signal)
        : await this.fetch(path, options)
    } catch (error) {
      throw unreachable(this.url, error)
    }
    const serverTime = response.headers.get('sluice-time')
    if (serverTime !== null) this.clock.sample(Number(serverTime), sentAt, this.clock.elapsed())
    if (response.ok || response.status === 304) return response
    throw await problemOf(response)
  }

  private fetch(path: string, options: CallOptions): Promise<Response> {
    const { body, signal } = options
    return fetch(this.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: this.headersOf(options),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })
  }

  private headersOf({ body, headers }: CallOptions): Record<string, string> {
    return {
      authorization: `Bearer ${this.apiKey}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    }
  }
}

export function unreachable(url: string, error: unknown): SluiceError {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string }
  const text = cause?.code ?? cause?.message ?? message ?? String(error)
  return new SluiceError('api_unreachable', `Sluice does not answer at ${url} (${text}).`, { url })
}

async function problemOf(response: Response): Promise<SluiceError> {
  const text = await response.text().catch(() => '')
  const retryAfter = response.headers.get('retry-after')
  const more = { status: response.status, ...(retryAfter === null ? {} : { retryAfter }) }
  try {
    const problem = JSON.parse(text) as { code?: string; detail?: string; details?: Record<string, unknown> }
    if (problem.code !== undefined && problem.code in errorTable) {
      return new SluiceError(problem.code as ErrorCode, problem.detail ?? problem.code, { ...problem.details, ...more })
    }
  } catch {
    // Not a problem document: something between here and the server answered.
  }
  // Of a proxy with a limit of its own: smaller bodies pass, where the same one again never would.
  const code = response.status === 413 ? 'payload_too_large' : 'api_unreachable'
  return new SluiceError(code, `Sluice answered ${response.status}: ${text.slice(0, 200)}`, more)
}
