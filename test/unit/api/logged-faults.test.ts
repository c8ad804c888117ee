import { Writable } from 'node:stream'
import pino from 'pino'
import type { ApiDeps } from '../../../src/api/app'
import { buildServer } from '../../../src/api/server'
import type { Store } from '../../../src/store/store'
import { type CutGround, cutGround } from '../../support/cuts/cut-ground'
import { routeCases } from '../../support/cuts/route-cases'
import { type ModelServer, modelServer, says } from '../../support/model-server'
import { until } from '../../support/until'

const secret = 'a document that could not be written'
/** What a driver throws carries the documents; only where it went wrong is for the log. */
const fault = (): Promise<never> =>
  Promise.reject(Object.assign(new TypeError('broken on purpose'), { writes: [secret] }))

describe('a fault that no caller hears of', () => {
  let ground: CutGround
  let engine: ModelServer
  beforeAll(async () => {
    ground = await cutGround()
    engine = await modelServer()
  })
  afterAll(async () => {
    await engine.stop()
    await ground.end()
  })

  /** What a server writes into its log while `during` goes on. */
  async function logged(store: Partial<Store>, during: (url: string) => Promise<unknown>, text: string): Promise<void> {
    let lines = ''
    const sink = new Writable({
      write(chunk, _, done) {
        lines += chunk
        done()
      },
    })
    const endpoints = { simulated: { url: engine.url } }
    const deps = { store: { ...ground.store, ...store }, orchestrator: ground.orchestrator, endpoints, log: pino(sink) }
    const app = buildServer(deps as unknown as ApiDeps)
    try {
      await during(await app.listen({ port: 0, host: '127.0.0.1' }))
      await until(`it logs: ${text}`, async () => lines.includes(text))
    } finally {
      await app.close()
    }
    expect(lines).toContain('broken on purpose')
    expect(lines).not.toContain(secret)
  }

  it('is logged where units cannot be sealed', () =>
    logged({ telemetry: { ...ground.store.telemetry, seal: fault } }, async () => undefined, 'sealing failed'))

  it.each([
    ['its result', { finish: fault }, 'a reproduction ended on an unexpected fault'],
    ['its end', { finish: fault, end: fault }, 'the end of a reproduction was not written'],
  ])('is logged where a reproduction cannot write %s', async (_, broken, text) => {
    const one = routeCases.find(({ route }) => route === 'POST /v1/requests/:id/reproductions')
    const call = await one?.prepare(ground)
    engine.answer(Object.fromEntries(['small-1', 'large-1'].map((model) => [model, says('{}')])))
    const during = (url: string) =>
      fetch(url + call?.path, {
        method: 'POST',
        headers: { authorization: `Bearer ${ground.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(call?.body),
      })
    await logged({ reproductions: { ...ground.store.reproductions, ...broken } }, during, text)
  })
})
