import { type TestApi, testApi } from '../../support/api'
import { engineContent } from '../../support/contents'

const artifact = (ref: string, content: unknown, rest: object = {}) => {
  const [, kind, name, semver] = /^(\w+)\/([^@]+)@(.+)$/.exec(ref) ?? []
  return { kind, name, semver, content, description: 'for a test', ...rest }
}

describe('the HTTP API of versions, composites and tasks', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await testApi()
    await api.call('POST', '/v1/artifacts', artifact('prompt/csat@1.0.0', { text: 'Rate {{call}}' }))
    await api.call('POST', '/v1/artifacts', artifact('engine/small@1.0.0', engineContent))
  })
  afterAll(() => api.stop())

  it('answers 201 for a new version and 200 for one that stands', async () => {
    const body = artifact('prompt/new@1.0.0', { text: 'a' }, { provenance: { ticket: 'CALLS-7' } })
    const first = await api.call('POST', '/v1/artifacts', body)
    expect(first.status).toBe(201)
    expect(first.body).toMatchObject({
      created: true,
      changeClass: 'none',
      version: { ref: 'prompt/new@1.0.0', author: 'ann', content: { text: 'a' }, provenance: { ticket: 'CALLS-7' } },
    })
    const second = await api.call('POST', '/v1/artifacts', body)
    expect(second.status).toBe(200)
    expect(second.body).toMatchObject({ created: false, version: first.body.version })
  })

  it('takes the author from the key, never from the body', async () => {
    const { status, body } = await api.call('POST', '/v1/artifacts', {
      ...artifact('prompt/forged@1.0.0', { text: 'a' }),
      author: 'somebody else',
    })
    expect(status).toBe(400)
    expect(body).toMatchObject({ code: 'invalid_request' })
  })

  it.each<[string, object, number, string]>([
    ['an unknown kind', artifact('poem/a@1.0.0', {}), 400, 'unknown_kind'],
    ['content that does not fit', artifact('prompt/a@1.0.0', { txt: 'a' }), 400, 'invalid_content'],
    ['another content under a semver', artifact('prompt/csat@1.0.0', { text: 'b' }), 409, 'version_exists'],
    ['a semver that understates', artifact('prompt/csat@1.0.1', { text: 'b' }), 409, 'semver_understated'],
    ['an unknown reference', artifact('mapping/a@1.0.0', { fields: { a: 'b@1.0.0' } }), 404, 'unknown_ref'],
  ])('refuses %s as a problem with a code', async (_, body, status, code) => {
    const answer = await api.call('POST', '/v1/artifacts', body)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(answer).toMatchObject({
      status,
      body: { code, status, detail: expect.any(String), details: expect.any(Object) },
    })
  })

  it('needs an admin key', async () => {
    const key = await api.store.keys.create('app', 'app')
    const headers = { authorization: `Bearer ${key}` }
    expect((await api.call('GET', '/v1/artifacts', undefined, headers)).status).toBe(403)
    expect((await api.call('GET', '/v1/artifacts', undefined, { authorization: 'Bearer x' })).status).toBe(401)
  })

  it('reads a version by semver and by digest', async () => {
    const bySemver = await api.call('GET', '/v1/artifacts/prompt/csat/1.0.0')
    expect(bySemver.body).toMatchObject({ semver: '1.0.0', content: { text: 'Rate {{call}}' } })
    const byDigest = await api.call('GET', `/v1/artifacts/prompt/csat/${bySemver.body.digest}`)
    expect(byDigest.body).toEqual(bySemver.body)
    expect(await api.call('GET', '/v1/artifacts/prompt/csat/9.9.9')).toMatchObject({
      status: 404,
      body: { code: 'unknown_ref' },
    })
  })

  it('pages through lists to the end', async () => {
    for (const number of [1, 2, 3, 4, 5]) {
      await api.call('POST', '/v1/artifacts', artifact(`prompt/paged@1.${number}.0`, { text: `${number}` }))
    }
    const seen: string[] = []
    let after = ''
    for (let pages = 0; pages < 5; pages += 1) {
      const { body } = await api.call('GET', `/v1/artifacts/prompt/paged?limit=2${after}`)
      seen.push(...(body.items as { semver: string }[]).map((item) => item.semver))
      if (body.next === undefined) break
      after = `&after=${encodeURIComponent(body.next as string)}`
    }
    expect(seen).toEqual(['1.1.0', '1.2.0', '1.3.0', '1.4.0', '1.5.0'])
    expect((await api.call('GET', '/v1/artifacts?limit=1000')).status).toBe(400)
    expect((await api.call('GET', '/v1/artifacts?colour=red')).status).toBe(400)
  })

  it('shows what changed between versions and between composites', async () => {
    await api.call('POST', '/v1/artifacts', artifact('prompt/csat@2.0.0', { text: 'Rate {{call}} by {{scale}}' }))
    const versions = await api.call('GET', '/v1/diff?from=prompt/csat@1.0.0&to=prompt/csat@2.0.0')
    expect(versions.body).toMatchObject({ changeClass: 'breaking' })
    const [from, to] = await Promise.all(
      ['csat@1.0.0', 'csat@2.0.0'].map(
        async (prompt) =>
          (await api.call('POST', '/v1/composites', { roles: { prompt, engine: 'small@1.0.0' } })).body.id as string,
      ),
    )
    const composites = await api.call('GET', `/v1/diff?from=${from}&to=${to}`)
    expect(composites.body).toMatchObject({ changeClass: 'breaking', roles: [{ role: 'prompt' }] })
    const crossed = await api.call('GET', '/v1/diff?from=prompt/csat@1.0.0&to=engine/small@1.0.0')
    expect(crossed).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })

  it('names a composite by task and environment, once something serves there', async () => {
    const { id } = await api.store.catalog.commitComposite({ prompt: 'csat@1.0.0', engine: 'small@1.0.0' })
    const named = await api.call('GET', `/v1/composites/csat-scoring@${id}`)
    expect(named.body).toMatchObject({ id })
    const absent = await api.call('GET', `/v1/diff?from=csat-scoring@production&to=csat-scoring@${id}`)
    expect(absent).toMatchObject({ status: 404, body: { code: 'not_found' } })
  })

  it('commits, serves and verifies composites', async () => {
    const committed = await api.call('POST', '/v1/composites', {
      roles: { prompt: 'csat@1.0.0', engine: 'small@1.0.0' },
    })
    const served = await api.call('GET', `/v1/composites/${committed.body.id}`)
    expect(served.body).toMatchObject({ ...committed.body, contents: { engine: engineContent } })
    const verified = await api.call('GET', `/v1/composites/${committed.body.id}/verification`)
    expect(verified.body).toMatchObject({ valid: true, computed: committed.body.id })
    expect((await api.call('GET', '/v1/composites/nobody')).body).toMatchObject({ code: 'malformed_ref' })
    expect((await api.call('GET', `/v1/composites/sha256:${'0'.repeat(64)}`)).body).toMatchObject({ code: 'not_found' })
  })

  it('puts, reads and lists tasks', async () => {
    await api.call('POST', '/v1/datasets/rows', { rows: [{ id: 'a' }] })
    await api.call('POST', '/v1/artifacts', artifact('dataset/cases@1.0.0', { rows: [{ id: 'a' }] }))
    const suite = {
      dataset: 'cases@1.0.0',
      scorers: [{ name: 'a', scorer: 'exact' }],
      primary: 'a',
      thresholds: { minAccuracy: 1 },
    }
    await api.call('POST', '/v1/artifacts', artifact('suite/calls@1.0.0', suite))
    await api.call('POST', '/v1/artifacts', artifact('policy/short@1.0.0', {}))
    const body = { roles: { prompt: 'csat@1.0.0' }, suite: 'calls@1.0.0', policy: 'short@1.0.0' }
    const put = await api.call('PUT', '/v1/tasks/scoring', body)
    expect(put).toMatchObject({ status: 200, body: { name: 'scoring', suite: 'suite/calls@1.0.0' } })
    await api.call('PUT', '/v1/tasks/scoring-v2', { ...body, supersedes: 'scoring' })
    const first = await api.call('GET', '/v1/tasks?limit=1')
    expect(first.body).toMatchObject({ items: [put.body], next: 'scoring' })
    const second = await api.call('GET', '/v1/tasks?after=scoring')
    expect(second.body).toMatchObject({ items: [{ name: 'scoring-v2', supersedes: 'scoring' }] })
    expect((await api.call('GET', '/v1/tasks/scoring')).body).toEqual(put.body)
    expect((await api.call('GET', '/v1/tasks/nobody')).body).toMatchObject({ code: 'unknown_task' })
  })

  it('takes rows in chunks and refuses more than a thousand at once', async () => {
    const rows = Array.from({ length: 1001 }, (_, id) => ({ id }))
    expect((await api.call('POST', '/v1/datasets/rows', { rows })).status).toBe(400)
    const { body } = await api.call('POST', '/v1/datasets/rows', { rows: rows.slice(0, 1000) })
    expect(body.digests).toHaveLength(1000)
  })

  it('describes itself as OpenAPI 3.1, with the content of every kind', async () => {
    const { status, body } = await api.call('GET', '/openapi.json')
    expect(status).toBe(200)
    const { openapi, paths, components } = body as unknown as {
      openapi: string
      paths: Record<string, Record<string, unknown>>
      components: { schemas: Record<string, object> }
    }
    expect(openapi).toMatch(/^3\.1/)
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/v1/artifacts', '/v1/diff', '/v1/composites/{id}', '/v1/tasks/{task}', '/healthz']),
    )
    expect(components.schemas.engineContent).toMatchObject({ required: ['endpoint', 'model', 'pricePerMillion'] })
  })
})
