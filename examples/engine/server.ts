import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { answer, requestKey } from './answer'
import { type Bill, type BillLine, createBill } from './bill'
import { createFaults, type Fault, type Faults, readFaults } from './faults'
import { models } from './models'
import { createPromptCache, type PromptCache } from './prompt-cache'
import { type ChatRequest, type ChatResponse, readChatRequest, tokensOf } from './protocol'

export interface SimulatedEngineOptions {
  /** 0 or absent: any free port. */
  readonly port?: number
  /** Factor on the simulated latency; 0 answers at once. */
  readonly latencyScale?: number
  readonly faults?: readonly Fault[]
  /** Bills repeated beginnings of prompts as cached, so that usage depends on what was asked before. Off by default. */
  readonly promptCache?: boolean
}

export interface SimulatedEngine {
  /** Base URL of the OpenAI protocol, `…/v1`. */
  readonly url: string
  /** Chat requests received so far, failed ones included. */
  requests(): number
  /** What was answered, by API key and model. */
  bill(): readonly BillLine[]
  setFaults(faults: readonly Fault[]): void
  stop(): Promise<void>
}

const maxBodyBytes = 4 * 1024 * 1024
/** Blanks that the fault `verbose` adds: valid JSON, a thousand tokens more. */
const verboseCharacters = 4000

interface Running {
  readonly faults: Faults
  readonly latencyScale: number
  readonly promptCache?: PromptCache
  readonly bill: Bill
  requests: number
}

/** Starts the simulated engine on 127.0.0.1. */
export async function startSimulatedEngine(options: SimulatedEngineOptions = {}): Promise<SimulatedEngine> {
  const running: Running = {
    faults: createFaults(options.faults ?? []),
    latencyScale: options.latencyScale ?? 1,
    ...(options.promptCache ? { promptCache: createPromptCache() } : {}),
    bill: createBill(),
    requests: 0,
  }
  const server = createServer((request, response) => {
    handle(running, request, response).catch((error: Error) => {
      if (!response.headersSent) fail(response, 500, 'server_error', error.message)
      else response.destroy()
    })
  })
  server.keepAliveTimeout = 30_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests: () => running.requests,
    bill: () => running.bill.lines(),
    setFaults: (faults) => running.faults.set(faults),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function handle(running: Running, request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'POST /v1/chat/completions':
      running.requests += 1
      return chat(running, request, response)
    case 'GET /v1/models':
      return send(response, 200, {
        object: 'list',
        data: models.map(({ id }) => ({ id, object: 'model', created: 0, owned_by: 'simulated engine' })),
      })
    case 'GET /admin/faults':
      return send(response, 200, running.faults.get())
    case 'PUT /admin/faults': {
      const faults = readFaults(await readJson(request))
      if (typeof faults === 'string') return fail(response, 400, 'invalid_request_error', faults)
      running.faults.set(faults)
      return send(response, 200, faults)
    }
    case 'GET /admin/bill':
      return send(response, 200, running.bill.lines())
    case 'GET /admin/requests':
      return send(response, 200, { requests: running.requests })
    default:
      return fail(
        response,
        404,
        'invalid_request_error',
        `The simulated engine has no ${request.method} ${request.url}.`,
      )
  }
}

async function chat(running: Running, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chatRequest = readChatRequest(await readJson(request))
  if (typeof chatRequest === 'string') return fail(response, 400, 'invalid_request_error', chatRequest)
  const model = models.find(({ id }) => id === chatRequest.model)
  if (!model) return fail(response, 404, 'model_not_found', `The simulated engine has no model ${chatRequest.model}.`)
  const hits = running.faults.hitting(requestKey(chatRequest))
  const hit = (kind: Fault['kind']) => hits.find((fault) => fault.kind === kind)
  if (hit('time_out')) return
  const limited = hit('rate_limit')
  if (limited) {
    response.setHeader('retry-after', String(limited.retryAfterSeconds ?? 1))
    return fail(response, 429, 'rate_limit_exceeded', 'The simulated engine is told to limit this request.')
  }
  if (hit('server_error')) return fail(response, 500, 'server_error', 'The simulated engine is told to fail.')
  const { response: body, latencyMs } = answer(chatRequest, model)
  if (running.latencyScale > 0) await wait(latencyMs * running.latencyScale)
  if (!body) return fail(response, 500, 'server_error', 'The simulated engine failed on this conversation.')
  const billed = withFaults(withCache(body, chatRequest, running.promptCache), hits)
  running.bill.add(request.headers.authorization, billed)
  send(response, 200, billed)
}

function withCache(body: ChatResponse, request: ChatRequest, cache: PromptCache | undefined): ChatResponse {
  if (!cache) return body
  const text = `${request.model}\n${request.messages.map((message) => message.content).join('\n')}`
  const cached = Math.min(cache.cachedTokens(text), body.usage.prompt_tokens)
  return { ...body, usage: { ...body.usage, prompt_tokens_details: { cached_tokens: cached } } }
}

function withFaults(body: ChatResponse, hits: readonly Fault[]): ChatResponse {
  let changed = body
  for (const { kind } of hits) {
    const text = changed.choices[0].message.content
    if (kind === 'drift') changed = { ...changed, system_fingerprint: `${changed.system_fingerprint}_drifted` }
    if (kind === 'malformed') changed = withText(changed, text.slice(0, Math.floor(text.length / 2)))
    if (kind === 'verbose') changed = withText(changed, text.replace(/^\{/, `{${' '.repeat(verboseCharacters)}`))
  }
  return changed
}

function withText(body: ChatResponse, content: string): ChatResponse {
  const [choice] = body.choices
  const completion = tokensOf(content)
  const { prompt_tokens } = body.usage
  return {
    ...body,
    choices: [{ ...choice, message: { role: 'assistant', content } }],
    usage: { ...body.usage, completion_tokens: completion, total_tokens: prompt_tokens + completion },
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > maxBodyBytes) throw new Error('The body is over the size limit of the simulated engine.')
    chunks.push(chunk as Buffer)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  send(response, status, { error: { message, type: code, code } })
}
