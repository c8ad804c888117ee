import { buildServer } from '../../src/api/server'
import { runCli } from '../../src/cli/main'
import type { Store } from '../../src/store/store'
import { testStore } from './ground'

/** A real HTTP server on a database of its own. */
export interface TestApi {
  readonly store: Store
  readonly url: string
  readonly key: string
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Runs one command line against this server, as the `sluice` binary does. */
  cli(...args: readonly string[]): Promise<CliRun>
  /** Empties collections between tests: a database of its own for each would cost seconds. */
  forget(...collections: readonly string[]): Promise<void>
  stop(): Promise<void>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Readonly<Record<string, unknown>>
}

export interface CliRun {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** For routes that need no orchestrator and no engines. `change`: what the server has instead of the store. */
export async function testApi(change: (store: Store) => Store = (store) => store): Promise<TestApi> {
  const { store: real, drop } = await testStore()
  const store = change(real)
  const app = buildServer({ store } as Parameters<typeof buildServer>[0])
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const key = await store.keys.create('ann', 'admin')
  return {
    store,
    url,
    key,
    call: (method, path, body, headers) => call({ url, key }, { method, path, body, headers }),
    cli: (...args) => runCaptured(args, { url, apiKey: key }),
    async forget(...collections) {
      for (const name of collections) await store.database.db.collection(name).deleteMany({})
    },
    async stop() {
      await app.close()
      await drop()
    },
  }
}

interface Call {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>> | undefined
}

async function call(
  { url, key }: { url: string; key: string },
  { method, path, body, headers }: Call,
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

export async function runCaptured(
  args: readonly string[],
  connection: { readonly url: string; readonly apiKey: string },
): Promise<CliRun> {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(args, {
    environment: { SLUICE_URL: connection.url, SLUICE_API_KEY: connection.apiKey },
    directory: process.cwd(),
    output: { out: (text) => out.push(text), err: (text) => err.push(text) },
  })
  return { code, out: out.join(''), err: err.join('') }
}
