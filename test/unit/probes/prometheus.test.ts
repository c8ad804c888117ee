import { reservePort } from '../../../src/embedded/ports'
import { probeProviders } from '../../../src/probes'
import { type PrometheusServer, startPrometheus, success, body as text, vector } from '../../support/prometheus-server'

let server: PrometheusServer

beforeAll(async () => {
  server = await startPrometheus()
})
afterAll(() => server.close())

const ask = (signal: AbortSignal = AbortSignal.timeout(20_000), url = server.url) =>
  probeProviders.prometheus.ask({ query: 'sum(rate(x[1m]))', endpoint: { url, apiKey: 'secret' }, signal })

it('asks for an instant query, with the key of the endpoint', async () => {
  server.says(vector(1))
  expect(await ask(undefined, `${server.url}/prom/`)).toEqual({ value: 1 })
  expect(server.asked.at(-1)).toEqual({
    method: 'POST',
    path: '/prom/api/v1/query',
    query: 'sum(rate(x[1m]))',
    authorization: 'Bearer secret',
  })
})

it.each([
  ['a vector of one series', vector(0.25), 0.25],
  ['a scalar', success('scalar', [1_700_000_000, '-3e2']), -300],
  [
    'an answer with warnings',
    text({ status: 'success', warnings: ['slow'], data: { resultType: 'scalar', result: [0, '7'] } }),
    7,
  ],
])('reads %s', async (_, says, value) => {
  server.says(says)
  expect(await ask()).toEqual({ value })
})

it.each([
  ['NaN', vector('NaN'), 'its value is NaN'],
  ['an infinity', vector('+Inf'), 'its value is +Inf'],
  ['no series', vector(), 'its answer is empty: no series matches'],
  ['several series', vector(1, 2), 'its answer has 2 series: aggregate them to one'],
  ['a matrix', success('matrix', []), 'its answer is a matrix, not a scalar or a vector'],
  ['a string', success('string', [0, '1']), 'its answer is a string, not a scalar or a vector'],
  ['a number that is no text', success('scalar', [0, 1]), 'its answer has no value'],
  ['an empty value', success('scalar', [0, ' ']), 'its answer has no value'],
  ['a vector that is no list', success('vector', {}), 'its vector is no list'],
  ['nothing at all', text(''), 'its answer is not JSON: '],
  ['a null', text('null'), 'its answer is no success'],
  [
    'a web page',
    text('<html>\n<body>Sign in</body></html>'),
    'its answer is not JSON: <html> <body>Sign in</body></html>',
  ],
  [
    'a refused query',
    text({ status: 'error', errorType: 'bad_data', error: 'parse error' }, 400),
    'it refused the query with status 400: parse error',
  ],
  ['an error with status 200', text({ status: 'error', error: 'odd' }), 'its answer is no success: odd'],
  ['ten megabytes', text('x'.repeat(10_000_000)), 'its answer is longer than 262144 bytes'],
])('has no use for %s', async (_, says, why) => {
  server.says(says)
  expect(await ask()).toEqual({ fault: 'answer_unusable', text: why })
})

it.each([500, 503, 429, 401, 403, 404])('takes status %d for a provider that is down', async (status) => {
  server.says(text('<html>', status))
  expect(await ask()).toEqual({ fault: 'provider_down', text: `it answered with status ${status}` })
})

it('takes a connection that breaks for a provider that is down', async () => {
  server.says((response) => response.socket?.destroy())
  expect(await ask()).toMatchObject({ fault: 'provider_down', text: expect.stringContaining('cannot be reached') })
})

it('takes a port where nobody listens for a provider that is down', async () => {
  const { port, release } = await reservePort(undefined)
  expect(await ask(undefined, `http://127.0.0.1:${port}`)).toMatchObject({
    fault: 'provider_down',
    text: expect.stringContaining('ECONNREFUSED'),
  })
  release()
})

it('follows no redirect, which would carry the key elsewhere', async () => {
  server.says((response) => void response.writeHead(302, { location: `${server.url}/elsewhere` }).end())
  expect(await ask()).toMatchObject({ fault: 'provider_down' })
  expect(server.asked.some(({ path }) => path.includes('elsewhere'))).toBe(false)
})

it('ends with the signal, also in the middle of a body that never ends', async () => {
  const ending = new AbortController()
  server.says((response) => {
    response.writeHead(200).write('{"status":')
    ending.abort()
  })
  expect(await ask(ending.signal)).toEqual({ fault: 'provider_down', text: 'it did not answer in time' })
})
