import { type IncomingHttpHeaders, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import type { Socket } from 'node:net'

export interface Post {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The only bound on how long the answer may take. */
  readonly signal: AbortSignal
  /** No more of the answer is read. */
  readonly maxBytes: number
}

export interface Posted {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** There was more of it than `maxBytes`. */
  readonly isCut: boolean
}

/** A host that does not take the connection for so long has none of the call, so that trying elsewhere costs nothing. */
const connectMs = 10_000

/**
 * Not by `fetch`, which gives up after five minutes without headers whatever its signal says, and would have a call
 * repeated that is paid for and being answered. Redirects are not followed: they would take the key to a place that nobody
 * configured.
 */
export async function post({ url, headers, body, signal, maxBytes }: Post): Promise<Posted> {
  const message = await answerTo(url, { method: 'POST', headers, signal }, body)
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) break
    chunks.push(chunk)
  }
  const text = new TextDecoder().decode(Buffer.concat(chunks))
  return { status: message.statusCode ?? 0, headers: message.headers, text, isCut: bytes > maxBytes }
}

interface RequestOptions {
  readonly method: 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

function answerTo(url: string, options: RequestOptions, body: string): Promise<IncomingMessage> {
  const request = new URL(url).protocol === 'https:' ? requestSecure : requestPlain
  return new Promise((resolve, reject) => {
    const sent = request(url, options, resolve)
    sent.on('error', reject)
    sent.on('socket', (socket) => {
      boundConnecting(socket, () => sent.destroy(new Error(`no connection within ${connectMs} ms`)))
    })
    sent.end(body)
  })
}

function boundConnecting(socket: Socket, giveUp: () => void): void {
  if (!socket.connecting) return
  const timer = setTimeout(giveUp, connectMs)
  const clear = () => clearTimeout(timer)
  socket.once('connect', clear).once('close', clear)
}
