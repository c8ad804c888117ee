import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ApiDeps, App } from '../../src/api/app'
import { buildServer } from '../../src/api/server'
import type { Store } from '../../src/store/store'
import { type CutGround, cutGround, expireLeases, startAgain } from '../support/cuts/cut-ground'
import { cutEverywhere } from '../support/cuts/cut-runs'
import { neutral } from '../support/cuts/database-image'
import type { RouteCall, RouteCase } from '../support/cuts/route-case'
import { routeCases } from '../support/cuts/route-cases'

/** Says of an answer only whether this very attempt did it. */
const ofTheAttempt = ['created', 'erasedNow', 'changed', 'made']

describe('a mutation over HTTP whose process dies between two writes', () => {
  let ground: CutGround
  beforeAll(async () => {
    ground = await cutGround()
  })
  afterEach(async () => {
    await ground.forgetWorkflows()
    await startAgain(ground)
  })
  afterAll(() => ground.end())

  const server = (store: Store): App => buildServer({ store, orchestrator: ground.orchestrator, endpoints } as ApiDeps)

  it.each(routeCases.map((one): [string, RouteCase] => [`${one.route}${one.about ? `: ${one.about}` : ''}`, one]))(
    '%s',
    async (name, one) => {
      const call = await one.prepare(ground)
      const report = await cutEverywhere(ground.database, ground.options, {
        name,
        ...(one.mayStay === undefined ? {} : { mayStay: one.mayStay }),
        ...(one.apart === undefined ? {} : { apart: one.apart }),
        run: (store) => send(server(store), one, call, ground.key),
        ...(one.settled === undefined ? {} : { settled: one.settled }),
        undo: ground.forgetWorkflows,
        wait: expireLeases,
      })
      expect(report.answer).toMatch(new RegExp(`^${one.status ?? '20[02]'} `))
      expect(report.faults).toEqual([])
      if (one.writesNothing === undefined) expect(report.changed).not.toEqual([])
      else expect(report.changed).toEqual([])
    },
  )
})

const shown = (name: string, value: unknown): unknown => (ofTheAttempt.includes(name) ? undefined : value)

/** Nothing listens there: what calls an engine in the background fails at once. */
const endpoints = { simulated: { url: 'http://127.0.0.1:9' } }

async function send(app: App, { route }: RouteCase, call: RouteCall, key: string) {
  await app.ready()
  // Without `listen` nothing runs beside the call.
  const server = createServer((request, response) => app.routing(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await app.close()
  }
  const content = call.file ?? (call.body === undefined ? undefined : JSON.stringify(call.body))
  const type = call.file === undefined ? 'application/json' : 'application/x-ndjson'
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${call.path}`, {
    method: route.slice(0, route.indexOf(' ')),
    headers: {
      authorization: `Bearer ${key}`,
      'idempotency-key': 'the same',
      ...(content === undefined ? {} : { 'content-type': type }),
    },
    ...(content === undefined ? {} : { body: content }),
  })
  const status = answer.status === 201 ? 200 : answer.status
  return { answer: `${status} ${JSON.stringify(neutral(await answer.json()), shown)}`, close }
}
