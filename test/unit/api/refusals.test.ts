import type { ApiDeps } from '../../../src/api/app'
import { buildServer } from '../../../src/api/server'
import { type ErrorCode, errorTable } from '../../../src/errors'
import { type CutGround, cutGround } from '../../support/cuts/cut-ground'
import { comparedImage, differing, imageOf, WatchedDatabase } from '../../support/cuts/database-image'
import { type RefusedCall, refusedCalls } from '../../support/cuts/refused-calls'
import { routeCases } from '../../support/cuts/route-cases'

interface Problem {
  readonly code: ErrorCode
  readonly detail: string
  readonly status: number
}

describe('a call that is refused', () => {
  let ground: CutGround
  let app: ReturnType<typeof buildServer>
  let url: string
  let appKey: string
  beforeAll(async () => {
    ground = await cutGround()
    app = buildServer({ store: ground.store, orchestrator: ground.orchestrator, endpoints: {} } as ApiDeps)
    appKey = await ground.store.keys.create('an application', 'app')
    url = await app.listen({ port: 0, host: '127.0.0.1' })
  })
  afterAll(async () => {
    await app.close()
    await ground.end()
  })

  const routes = [...new Set(routeCases.map(({ route }) => route))]
  const image = async () => comparedImage(await imageOf(ground.database))

  async function refused(call: Omit<RefusedCall, 'code'> & { readonly text?: string }, key?: string): Promise<Problem> {
    const text = call.text ?? call.file ?? (call.body === undefined ? undefined : JSON.stringify(call.body))
    const type = call.file === undefined ? 'application/json' : 'application/x-ndjson'
    const answer = await fetch(url + call.path, {
      method: call.route.slice(0, call.route.indexOf(' ')),
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(text === undefined ? {} : { 'content-type': type }),
      },
      ...(text === undefined ? {} : { body: text }),
    })
    return (await answer.json()) as Problem
  }

  const told = ({ code, detail, status }: Problem): void => {
    expect(errorTable[code].status).toBe(status)
    expect(detail).toMatch(/^.{15,}[.?]$/s)
    expect(errorTable[code].help).toMatch(/[.;] .*\.$/)
  }

  it('is told why, with a code, and changes nothing', async () => {
    const before = await image()
    const watched = await WatchedDatabase.of(ground.database)
    const calls = refusedCalls(ground)
    expect([...new Set(calls.map(({ route }) => route))].sort()).toEqual([...routes].sort())
    const answers: string[] = []
    for (const call of calls) {
      const problem = await refused(call, ground.key)
      if (problem.code !== undefined) told(problem)
      const changed = differing(await watched.now(), watched.start).map((name) => ` and changes ${name}`)
      answers.push(`${nameOf(call)} → ${problem.code}${changed.join('')}`)
    }
    watched.end()
    expect(answers).toEqual(calls.map((call) => `${nameOf(call)} → ${call.code}`))
    expect(differing(await image(), before)).toEqual([])
  })

  it('is refused without a key, with a foreign one, and with one of the wrong role', async () => {
    const before = await image()
    for (const route of routes) {
      const call = { route, path: route.slice(route.indexOf(' ') + 1) }
      expect([route, (await refused(call)).code]).toEqual([route, 'unauthenticated'])
      expect([route, (await refused(call, `${ground.key}x`)).code]).toEqual([route, 'unauthenticated'])
      const wrongRole = (await refused(call, appKey)).code
      if (!forApplications.includes(route)) expect([route, wrongRole]).toEqual([route, 'forbidden'])
    }
    expect(differing(await image(), before)).toEqual([])
  })

  it('is refused where its body is no JSON, no object, or has a field too many', async () => {
    const before = await image()
    for (const call of refusedCalls(ground).filter(({ body }) => body !== undefined)) {
      const bodies = ['{', '[]', '7', '"text"', JSON.stringify({ ...(call.body as object), another: 1 })]
      for (const text of bodies) {
        const problem = await refused({ ...call, text }, ground.key)
        expect([call.route, text, problem.code]).toEqual([call.route, text, 'invalid_request'])
        told(problem)
      }
    }
    expect(differing(await image(), before)).toEqual([])
  })
})

const nameOf = ({ route, path, body }: RefusedCall): string => `${route} ${path} ${JSON.stringify(body)}`

const forApplications = ['POST /v1/captures', 'POST /v1/telemetry', 'POST /v1/resolve', 'POST /v1/shadow']
