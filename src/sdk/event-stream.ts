import { type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

const statusesWithoutBody = [204, 304]

/**
 * A GET as `fetch` does it, on a connection of its own that does not keep the process alive: an application that has
 * nothing else to do ends, however long the answer goes on. Redirects are not followed.
 */
export function fetchUnreferenced(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const request = new URL(url).protocol === 'https:' ? requestSecure : requestPlain
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, agent: false, ...(signal ? { signal } : {}) }, (message) => {
      try {
        resolve(responseOf(message))
      } catch (error) {
        // A status that no answer may have: thrown here, it would end the application.
        message.destroy()
        reject(error)
      }
    })
    sent.on('socket', (socket) => socket.unref())
    sent.on('error', reject)
    sent.end()
  })
}

function responseOf(message: IncomingMessage): Response {
  const { statusCode: status = 0 } = message
  const isEmpty = statusesWithoutBody.includes(status)
  if (isEmpty) message.resume()
  const headers = new Headers()
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value)
  }
  return new Response(isEmpty ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>), { status, headers })
}
