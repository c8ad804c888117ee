import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { type ErrorCode, errorTable, SluiceError } from '../errors'

/** The HTTP API as commands see it. Throws `SluiceError` with the server's code. */
export interface ApiClient {
  get<T>(path: string, query?: Query): Promise<T>
  post<T>(path: string, body?: unknown): Promise<T>
  put<T>(path: string, body: unknown): Promise<T>
  delete<T>(path: string, body?: unknown): Promise<T>
  /** For what is no JSON (event streams): the raw answer, after the same error handling. */
  open(path: string, query?: Query, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Sends a file as it is read; `body` is called again where the call is tried again. */
  upload<T>(path: string, file: Upload, query?: Query): Promise<T>
  readonly url: string
}

export interface Upload {
  readonly type: string
  readonly body: () => ReadableStream
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface Connection {
  readonly url: string
  readonly apiKey: string
}

const requestTimeoutMs = 120_000
const maxAttempts = 3
/** Of a write that may have arrived at a server which is being started anew: some eight seconds. */
const maxWriteAttempts = 8
const pauseMs = 300
const maxParents = 32

/** What the settings say of the server: an address with a key, and the folder of instances that run here. */
export interface ConnectionSettings {
  readonly url?: string
  readonly apiKey?: string
  readonly folder: string
}

/** The address that is set, else what `run.json` says: in the folder of instances, or the nearest at or above `from`. */
export function findConnection({ url, apiKey, folder }: ConnectionSettings, from: string): Connection {
  if (url !== undefined) {
    if (apiKey === undefined) throw new SluiceError('invalid_config', 'SLUICE_URL is set without SLUICE_API_KEY.')
    return { url, apiKey }
  }
  const file = findRunFile(folder, from)
  if (file === undefined) {
    const text = 'No running instance was found: set SLUICE_URL and SLUICE_API_KEY, or run `sluice up` here first.'
    throw new SluiceError('invalid_config', text)
  }
  return readRunFile(file, apiKey)
}

/** The `run.json` of the instance that runs here: in the folder of instances, or the nearest at or above `from`. */
export function findRunFile(folder: string, from: string): string | undefined {
  const own = join(folder, 'run.json')
  if (existsSync(own)) return own
  let directory = from
  for (let depth = 0; depth < maxParents; depth += 1) {
    const file = join(directory, '.sluice', 'run.json')
    if (existsSync(file)) return file
    if (dirname(directory) === directory) return undefined
    directory = dirname(directory)
  }
  return undefined
}

function readRunFile(file: string, apiKey: string | undefined): Connection {
  const wrong = (what: string) =>
    new SluiceError('invalid_config', `${file} ${what}. Start the instance again with \`sluice up\`.`)
  let run: { apiUrl?: unknown; adminKeyFile?: unknown }
  try {
    run = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    throw wrong('is no JSON')
  }
  if (typeof run.apiUrl !== 'string') throw wrong('names no apiUrl')
  if (apiKey) return { url: run.apiUrl, apiKey }
  if (typeof run.adminKeyFile !== 'string') throw wrong('names no adminKeyFile')
  const keyFile = isAbsolute(run.adminKeyFile) ? run.adminKeyFile : join(dirname(dirname(file)), run.adminKeyFile)
  if (!existsSync(keyFile)) throw wrong(`names the key file ${keyFile}, which does not exist`)
  return { url: run.apiUrl, apiKey: readFileSync(keyFile, 'utf8').trim() }
}

/**
 * `connect` is called at the first request. Mutations carry an Idempotency-Key, so a lost answer is safe to ask again. A
 * read that is not answered in time is not: the server may still be at it, and would do the work once more.
 */
export function createApiClient(connect: () => Connection, { timeoutMs = requestTimeoutMs } = {}): ApiClient {
  let connection: Connection | undefined
  const connected = () => {
    connection ??= connect()
    return connection
  }
  const call = async <T>(method: string, path: string, rest: CallOptions = {}): Promise<T> => {
    const response = await send(connected(), method, path, { ...rest, timeoutMs })
    return (response.status === 204 ? undefined : await response.json()) as T
  }
  return {
    get: (path, query) => call('GET', path, query ? { query } : {}),
    post: (path, body) => call('POST', path, { body: body ?? {} }),
    put: (path, body) => call('PUT', path, { body }),
    delete: (path, body) => call('DELETE', path, body === undefined ? {} : { body }),
    open: (path, query, headers) =>
      send(connected(), 'GET', path, { ...(query ? { query } : {}), ...(headers ? { headers } : {}) }),
    upload: async <T>(path: string, upload: Upload, query?: Query) => {
      const options = { upload, ...(query ? { query } : {}) }
      return (await (await send(connected(), 'POST', path, options)).json()) as T
    },
    get url() {
      return connected().url
    },
  }
}

interface CallOptions {
  readonly body?: unknown
  readonly query?: Query
  readonly headers?: Readonly<Record<string, string>>
  /** Absent where the answer takes as long as it is. */
  readonly timeoutMs?: number
  readonly upload?: Upload
}

async function send(connection: Connection, method: string, path: string, options: CallOptions): Promise<Response> {
  const url = new URL(connection.url + path)
  for (const [key, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, String(value))
  }
  const init: RequestInit = {
    method,
    headers: {
      authorization: `Bearer ${connection.apiKey}`,
      ...(method === 'GET' ? {} : { 'idempotency-key': randomUUID() }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.upload === undefined ? {} : { 'content-type': options.upload.type }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  }
  for (let attempt = 1; ; attempt += 1) {
    const sent = options.upload === undefined ? init : { ...init, body: options.upload.body(), duplex: 'half' as const }
    const answer = await attemptOnce(url, sent, options.timeoutMs)
    if (answer instanceof Response && answer.ok) return answer
    const error = answer instanceof Response ? await problemOf(answer) : failureOf(connection.url, answer, options)
    if (!isWorthAnotherTry(error, { method, attempt, isUpload: options.upload !== undefined })) throw error
    await new Promise((resolve) => setTimeout(resolve, pauseMs * attempt))
  }
}

/** With a time-out the answer is there as a whole, so that one that stops halfway is met like one that never begins. */
async function attemptOnce(url: URL, init: RequestInit, timeoutMs: number | undefined): Promise<Response | Error> {
  try {
    if (timeoutMs === undefined) return await fetch(url, init)
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) })
    const bytes = await response.arrayBuffer()
    return new Response(bytes.byteLength === 0 ? null : bytes, response)
  } catch (error) {
    return error as Error
  }
}

/** How long fetch waits for an answer to begin where nobody says how long. */
const headersTimeoutMs = 300_000

function failureOf(url: string, error: Error, { timeoutMs = headersTimeoutMs }: CallOptions): SluiceError {
  const cause = (error.cause as { code?: string } | undefined)?.code ?? error.message
  if (error.name !== 'TimeoutError' && cause !== 'UND_ERR_HEADERS_TIMEOUT') return unreachable(url, cause)
  const text = `Sluice at ${url} gave no answer within ${timeoutMs / 1_000} s; it may still be at it.`
  return new SluiceError('no_answer', text, { url, timeoutMs })
}

const unreachable = (url: string, cause: string): SluiceError =>
  new SluiceError('api_unreachable', `Sluice does not answer at ${url} (${cause}).`, { url, cause })

interface Tried {
  readonly method: string
  readonly attempt: number
  readonly isUpload: boolean
}

/** Whoever gives a write up that may have arrived has lost its key: given again it is another write. */
function isWorthAnotherTry({ code, details }: SluiceError, { method, attempt, isUpload }: Tried): boolean {
  const isWrite = method !== 'GET'
  if (code === 'api_unreachable') {
    const isRefused = details.cause === 'ECONNREFUSED'
    return (!isRefused || attempt > 1) && attempt < (isWrite && !isUpload ? maxWriteAttempts : maxAttempts)
  }
  return attempt < maxAttempts && (code === 'store_unavailable' || (code === 'no_answer' && isWrite))
}

async function problemOf(response: Response): Promise<SluiceError> {
  const text = await response.text()
  try {
    const problem = JSON.parse(text) as { code?: string; detail?: string; details?: Record<string, unknown> }
    if (problem.code !== undefined && problem.code in errorTable) {
      return new SluiceError(problem.code as ErrorCode, problem.detail ?? problem.code, problem.details ?? {})
    }
  } catch {
    // Not a problem document: something between here and the server answered.
  }
  return new SluiceError('internal', `The server answered ${response.status}: ${text.slice(0, 200)}`)
}
