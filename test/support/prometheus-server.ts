import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly authorization?: string
}

/** A real HTTP server that speaks Prometheus' query protocol; what it says next is set by the test. */
export interface PrometheusServer {
  readonly url: string
  readonly asked: readonly Asked[]
  /** The most questions that were open at the same time. */
  readonly mostAtOnce: number
  says(answer: (response: ServerResponse, query: string) => void): void
  close(): Promise<void>
}

export async function startPrometheus(): Promise<PrometheusServer> {
  const asked: Asked[] = []
  let answer: (response: ServerResponse, query: string) => void = vector(0)
  let open = 0
  let mostAtOnce = 0
  const server = createServer((request, response) => {
    mostAtOnce = Math.max(mostAtOnce, ++open)
    response.on('close', () => {
      open--
    })
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const query = new URLSearchParams(Buffer.concat(chunks).toString()).get('query') ?? ''
      const { authorization } = request.headers
      const facts = { method: request.method ?? '', path: request.url ?? '', query }
      asked.push({ ...facts, ...(authorization === undefined ? {} : { authorization }) })
      answer(response, query)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get mostAtOnce() {
      return mostAtOnce
    },
    says(next) {
      answer = next
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

export const body =
  (value: unknown, status = 200) =>
  (response: ServerResponse): void =>
    void response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(typeof value === 'string' ? value : JSON.stringify(value))

/** `{"status": "success", "data": …}`. */
export const success = (resultType: string, result: unknown) =>
  body({ status: 'success', data: { resultType, result } })

export const vector = (...values: readonly (number | string)[]) =>
  success(
    'vector',
    values.map((value, index) => ({ metric: { pod: `p${index}` }, value: [1_700_000_000.123, String(value)] })),
  )
