import { request as requestPlain } from 'node:http'
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
      const { statusCode: status = 0 } = message
      if (statusesWithoutBody.includes(status)) message.resume()
      const body = statusesWithoutBody.includes(status) ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>)
      const told = new Headers()
      for (const [name, values = []] of Object.entries(message.headersDistinct)) {
        for (const value of values) told.append(name, value)
      }
      resolve(new Response(body, { status, headers: told }))
    })
    sent.on('socket', (socket) => socket.unref())
    sent.on('error', reject)
    sent.end()
  })
}
