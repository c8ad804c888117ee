import type { ApiDeps } from '../../../src/api/app'
import { buildServer } from '../../../src/api/server'
import { routeCases } from '../../support/cuts/route-cases'

const mutating = ['POST', 'PUT', 'PATCH', 'DELETE']

describe('a route that changes something', () => {
  it('is cut between its writes in fault/cut-routes', async () => {
    const app = buildServer({ store: {} } as ApiDeps)
    const known = new Set<string>()
    app.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (mutating.includes(one)) known.add(`${one} ${url}`)
    })
    await app.ready()
    await app.close()
    expect([...new Set(routeCases.map(({ route }) => route))].sort()).toEqual([...known].sort())
  })
})
