import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What one model of the server, a third party over HTTP, answers. */
export interface Reply {
  readonly status: number
  readonly content?: string
  readonly tool?: object
  readonly fingerprint?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ModelRequest {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly tools?: unknown
  readonly seed?: number
}

/** An engine whose models answer what a test says. Every answer has 1,000 tokens of input and none of output. */
export interface ModelServer {
  readonly url: string
  readonly asked: readonly ModelRequest[]
  /** Model → what it answers; a model without an answer fails with 500. `undefined` as a reply: it never answers. */
  answer(replies: Readonly<Record<string, (request: ModelRequest) => Reply | undefined>>): void
  /** Of what was asked so far. */
  forget(): void
  stop(): Promise<void>
}

export async function modelServer(): Promise<ModelServer> {
  let replies: Parameters<ModelServer['answer']>[0] = {}
  const asked: ModelRequest[] = []
  const server = createServer(async (request, response) => {
    const sent = JSON.parse(await text(request)) as ModelRequest
    asked.push(sent)
    const of = replies[sent.model]
    const reply = of === undefined ? { status: 500 } : of(sent)
    if (reply === undefined) return
    const { status, content, tool, fingerprint, headers } = reply
    const message = { content: content ?? null, ...(tool ? { tool_calls: [tool] } : {}) }
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(
      JSON.stringify({
        model: `${sent.model}-1`,
        system_fingerprint: fingerprint ?? null,
        choices: [{ finish_reason: 'stop', message }],
        usage: { prompt_tokens: 1_000, completion_tokens: 0 },
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    answer(next) {
      replies = next
      asked.length = 0
    },
    forget() {
      asked.length = 0
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The text that a model answers, always the same. */
export const says =
  (content: string, rest: Partial<Reply> = {}) =>
  (): Reply => ({ status: 200, content, ...rest })
