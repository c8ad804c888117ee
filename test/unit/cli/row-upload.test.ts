import type { ApiClient } from '../../../src/cli/client'
import { createApiClient } from '../../../src/cli/client'
import type { FileRow } from '../../../src/cli/row-file'
import { maxBatchesUnderWay, uploadRows } from '../../../src/cli/row-upload'
import { digestOf } from '../../../src/store/canonical'
import { type TestApi, testApi } from '../../support/api'

const batch = 1000
const rowOf = (number: number) => ({ id: `case-${number}` })
const rootOf = (rows: readonly unknown[]) => digestOf({ rows: rows.map(digestOf).sort() })
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, number) => rowOf(from + number))

async function* source(rows: readonly FileRow['row'][], pulled: () => void = () => undefined): AsyncGenerator<FileRow> {
  for (const [place, row] of rows.entries()) {
    pulled()
    yield { line: place + 1, row, end: place }
  }
}

describe('an upload of rows', () => {
  let server: TestApi
  let api: ApiClient
  beforeAll(async () => {
    server = await testApi()
    api = createApiClient(() => ({ url: server.url, apiKey: server.key }))
  })
  afterAll(() => server.stop())
  afterEach(() => server.forget('rows', 'row_pages', 'row_sets'))

  const upload = (rows: readonly FileRow['row'][], through: ApiClient = api) =>
    uploadRows(through, { file: 'x.jsonl', rows: source(rows) }, () => undefined)

  it('ends with the set of all rows, each as often as it stands in the file', async () => {
    const rows = [...numbers(2_500), rowOf(3), rowOf(2_400)]
    const { sent, ...set } = await upload(rows)
    expect(set).toMatchObject({ root: rootOf(rows), count: 2_502 })
    // A row that stands in two batches under way may be asked for in both before either has sent it.
    expect(sent).toBeGreaterThanOrEqual(2_500)
    expect(sent).toBeLessThanOrEqual(2_502)
  })

  it('never holds more than the batches under way and the one being read, however many rows there are', async () => {
    let [pulled, stored, underWay, mostUnderWay, mostHeld] = [0, 0, 0, 0, 0]
    const watched: ApiClient = {
      ...api,
      async post(path, body) {
        underWay += 1
        mostUnderWay = Math.max(mostUnderWay, underWay)
        try {
          return await api.post(path, body)
        } finally {
          underWay -= 1
        }
      },
    }
    const rows = source(numbers(12_000), () => {
      pulled += 1
      mostHeld = Math.max(mostHeld, pulled - stored)
    })
    const told = (state: { readonly rows: number }) => {
      stored = state.rows
    }
    const { count } = await uploadRows(watched, { file: 'x.jsonl', rows }, told)
    expect(count).toBe(12_000)
    expect(mostUnderWay).toBeLessThanOrEqual(maxBatchesUnderWay)
    expect(mostHeld).toBeLessThanOrEqual((maxBatchesUnderWay + 1) * batch + 1)
    // It does not wait for each batch either.
    expect(mostUnderWay).toBeGreaterThan(1)
  })

  it('keeps batches of large rows under the size of a body', async () => {
    const rows = Array.from({ length: 9 }, (_, number) => ({ id: number, text: `${number}`.repeat(1_000_000) }))
    expect(await upload(rows)).toMatchObject({ root: rootOf(rows), count: 9 })
  })

  it('may break off after any call: nothing looks like a version, and the next one completes it, sending what is missing only', async () => {
    const rows = numbers(4_500)
    const expected = rootOf(rows)
    let wasWhole = false
    for (let allowed = 0; !wasWhole; allowed += 3) {
      const { dying, settled } = dyingAfter(api, allowed)
      wasWhole = await upload(rows, dying).then(
        () => true,
        () => false,
      )
      await settled()
      expect(await server.store.database.collection('versions').countDocuments()).toBe(0)
      const stored = await server.store.database.collection('rows').countDocuments()
      const finished = await upload(rows)
      expect(finished).toMatchObject({ root: expected, sent: 4_500 - stored })
      expect((await upload(rows)).sent).toBe(0)
      await server.forget('rows', 'row_pages', 'row_sets')
    }
  })

  it('agrees with another one of the same rows at the same time', async () => {
    const rows = numbers(3_000)
    const [one, other] = await Promise.all([upload(rows), upload(rows.toReversed())])
    expect(other.root).toBe(one.root)
    expect(await server.store.database.collection('rows').countDocuments()).toBe(3_000)
  })

  it('sends again what was dropped between the question and the put', async () => {
    const rows = numbers(5)
    await upload(rows)
    let drops = 1
    const dropping: ApiClient = {
      ...api,
      async post(path, body) {
        const answer = await api.post(path, body)
        if (path.endsWith('/rows') && drops-- > 0) await server.forget('rows', 'row_sets')
        return answer as never
      },
    }
    await upload([...rows, rowOf(99)], dropping)
    expect(await server.store.database.collection('rows').countDocuments()).toBe(6)
  })
})

/** The API as a command sees it that is killed after so many calls; the server goes on with those that it has. */
function dyingAfter(api: ApiClient, allowed: number) {
  const calls: Promise<unknown>[] = []
  const dying: ApiClient = {
    ...api,
    async post(path, body) {
      if (calls.length >= allowed) throw new Error('killed before the call')
      const call = api.post(path, body)
      calls.push(call)
      const answer = await call
      if (calls.length >= allowed) throw new Error('killed before the answer')
      return answer as never
    },
  }
  return { dying, settled: () => Promise.allSettled(calls) }
}
