import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '../../../src/domain/version'
import { digestOf } from '../../../src/store/canonical'
import { maxMergedSets, maxPutRows } from '../../../src/store/rows'
import { type TestApi, testApi } from '../../support/api'

const rowOf = (number: number) => ({ id: `row-${number}` })
const rows = Array.from({ length: 450 }, (_, number) => rowOf(number))

type Refusal = [status: number, code: string]

describe('the API of datasets', () => {
  let api: TestApi
  let root: Digest
  beforeAll(async () => {
    api = await testApi()
    const { body } = await api.call('POST', '/v1/datasets/rows', { rows })
    root = body.root as Digest
  })
  afterAll(() => api.stop())

  it('stores rows and answers digests and root, and knows what is missing', async () => {
    expect(root).toBe(digestOf({ rows: rows.map(digestOf).sort() }))
    const unknown = digestOf({ id: 'unknown' })
    const { status, body } = await api.call('POST', '/v1/datasets/rows', { rows: [digestOf(rowOf(1)), unknown] })
    expect([status, body]).toEqual([200, { digests: [digestOf(rowOf(1)), unknown], missing: [unknown] }])
  })

  it('registers a version by the root alone, with the count and columns that it has', async () => {
    const { body: set } = await api.call('POST', '/v1/datasets/merge', { roots: [root] })
    expect(set).toMatchObject({ root, count: 450, columns: { id: { types: ['string'], required: true } } })
    const { count, columns } = set
    const draft = { kind: 'dataset', name: 'rows', semver: '1.0.0', description: 'for a test' }
    const { status } = await api.call('POST', '/v1/artifacts', { ...draft, content: { root, count, columns } })
    expect(status).toBe(201)
    expect((await api.call('GET', '/v1/datasets/rows@1.0.0')).body).toEqual(set)
  })

  it('reads all rows back in pages, in order of their digests', async () => {
    const digests: unknown[] = []
    let after: unknown = '0'
    while (after !== undefined) {
      const { body } = await api.call('GET', `/v1/datasets/${root}/rows?limit=200&after=${after}`)
      digests.push(...(body.items as { digest: string }[]).map((item) => item.digest))
      after = body.next
    }
    expect(digests).toEqual(rows.map(digestOf).sort())
  })

  it('reads them back one a line, from any place on', async () => {
    const headers = { authorization: `Bearer ${api.key}`, accept: 'application/x-ndjson' }
    const answer = await fetch(`${api.url}/v1/datasets/${root}/rows?after=440`, { headers })
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await answer.text()).trim().split('\n')
    expect(lines.map((line) => digestOf(JSON.parse(line)))).toEqual(rows.map(digestOf).sort().slice(440))
  })

  it('breaks the lines off where a row is lost, so that nobody takes them for all', async () => {
    const large = Array.from({ length: 1_000 }, (_, number) => ({ id: number, text: 'x'.repeat(300) }))
    const { body: set } = await api.call('POST', '/v1/datasets/rows', { rows: large })
    const lost = large.map(digestOf).sort()[900] ?? ''
    await api.store.database.collection<{ _id: string }>('rows').deleteOne({ _id: lost })
    const ended = await new Promise((resolve) => {
      const headers = { authorization: `Bearer ${api.key}`, accept: 'application/x-ndjson' }
      get(`${api.url}/v1/datasets/${set.root}/rows`, { headers }, (answer) => {
        answer.on('error', () => undefined)
        answer.resume().on('close', () => resolve({ status: answer.statusCode, isWhole: answer.complete }))
      })
    })
    expect(ended).toEqual({ status: 200, isWhole: false })
    const folder = mkdtempSync(join(tmpdir(), 'datasets-'))
    const written = await api.cli('dataset', 'rows', `${set.root}`, '--out', join(folder, 'rows.jsonl'))
    expect(written).toMatchObject({ code: 1, err: expect.stringContaining('api_unreachable') })
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
    const { status, body } = await api.call('GET', `/v1/datasets/${set.root}/rows?after=890`)
    expect([status, body.code]).toEqual([404, 'unknown_ref'])
  })

  it('compares datasets by root and by reference, in pages', async () => {
    const { body: other } = await api.call('POST', '/v1/datasets/rows', {
      rows: [...rows.slice(10), { id: 'row-450' }],
    })
    const { body } = await api.call('GET', `/v1/datasets/diff?from=rows@1.0.0&to=${other.root}&limit=4`)
    expect(body).toMatchObject({
      from: root,
      to: other.root,
      counts: { added: 1, removed: 10, changed: 0, unchanged: 440 },
      next: '4',
    })
    const rest = await api.call('GET', `/v1/datasets/diff?from=rows@1.0.0&to=${other.root}&after=4`)
    expect(rest.body.items).toHaveLength(7)
    expect(rest.body).not.toHaveProperty('next')
  })

  it.each<[string, string, unknown, Refusal]>([
    ['no rows', '/v1/datasets/rows', { rows: [] }, [400, 'invalid_request']],
    [
      'more rows than a call takes',
      '/v1/datasets/rows',
      { rows: Array(maxPutRows + 1).fill({}) },
      [400, 'invalid_request'],
    ],
    ['a row that is a list', '/v1/datasets/rows', { rows: [[1]] }, [400, 'invalid_content']],
    ['a row that is null', '/v1/datasets/rows', { rows: [null] }, [400, 'invalid_content']],
    ['a row that is no digest', '/v1/datasets/rows', { rows: ['abc'] }, [400, 'invalid_content']],
    ['a row over 3.5 MB', '/v1/datasets/rows', { rows: [{ a: 'x'.repeat(3_600_000) }] }, [400, 'invalid_content']],
    ['a body over 4 MB', '/v1/datasets/rows', { rows: [{ a: 'x'.repeat(4_200_000) }] }, [413, 'payload_too_large']],
    ['a set nobody put', '/v1/datasets/merge', { roots: [digestOf(1)] }, [404, 'unknown_ref']],
    ['no sets', '/v1/datasets/merge', { roots: [] }, [400, 'invalid_request']],
    [
      'too many sets',
      '/v1/datasets/merge',
      { roots: Array(maxMergedSets + 1).fill(digestOf(1)) },
      [400, 'invalid_request'],
    ],
  ])('refuses %s', async (_, path, body, refusal) => {
    const answer = await api.call('POST', path, body, { 'idempotency-key': 'any' })
    expect([answer.status, answer.body.code]).toEqual(refusal)
  })

  it.each([
    ['__proto__', '{"rows":[{"a":{"__proto__":1}}]}'],
    ['constructor.prototype', '{"rows":[{"constructor":{"prototype":1}}]}'],
    ['10,000 lists within each other', `{"rows":[{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}]}`],
    ['a number beyond all doubles', '{"rows":[{"a":1e999}]}'],
    ['half a character', '{"rows":[{"a":"\\ud800"}]}'],
  ])('refuses rows with %s quickly, with a code', async (_, body) => {
    const headers = {
      authorization: `Bearer ${api.key}`,
      'content-type': 'application/json',
      'idempotency-key': 'hostile',
    }
    const answer = await fetch(`${api.url}/v1/datasets/rows`, { method: 'POST', headers, body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/^invalid_/) })
  })

  it.each([
    ['a dataset that nobody knows', `${digestOf('nobody')}`, 404, 'unknown_ref'],
    ['a reference to another kind', 'prompt%2Fx@1.0.0', 400, 'malformed_ref'],
    ['what is no reference', 'x', 400, 'malformed_ref'],
  ])('refuses to read %s', async (_, name, status, code) => {
    for (const path of [
      `/v1/datasets/${name}`,
      `/v1/datasets/${name}/rows`,
      `/v1/datasets/diff?from=${name}&to=${name}`,
    ]) {
      const answer = await api.call('GET', path)
      expect([path, answer.status, answer.body.code]).toEqual([path, status, code])
    }
  })

  it('is for administrators', async () => {
    const key = await api.store.keys.create('shop', 'app')
    const headers = { authorization: `Bearer ${key}` }
    expect((await api.call('GET', `/v1/datasets/${root}/rows`, undefined, headers)).status).toBe(403)
    expect((await api.call('POST', '/v1/datasets/rows', { rows }, headers)).status).toBe(403)
  })
})
