import { requestSchema, unitSchema } from '../../src/api/telemetry-schemas'
import type { Report } from '../../src/sdk'
import { type Connected, connectTo, plainSnapshot, type SdkServer, sdkServer } from '../support/sdk-server'

let server: SdkServer
let connected: Connected
beforeEach(async () => {
  server = await sdkServer(plainSnapshot())
  connected = await connectTo(server.url)
})
afterEach(async () => {
  await connected.client.shutdown()
  await server.end()
})

/** Some callers have no types, others believe what a provider answers. */
const unchecked = <T>(value: unknown): T => value as T
const noText = { toString: null }
const told = { outcome: 'ok', latencyMs: 1, costUsd: 0 } as const
const sent = () => ({
  units: server.posted.flatMap(({ body }) => body.strata?.flatMap(({ units }) => units) ?? []),
  requests: server.posted.flatMap(({ body }) => body.requests ?? []),
  outcomes: server.posted.flatMap(({ body }) => body.lateOutcomes ?? []),
})
const nothing = { units: [], requests: [], outcomes: [] }

describe('a report', () => {
  it.each<[string, unknown]>([
    ['an unknown outcome', { ...told, outcome: 'failed' }],
    ['an outcome in other letters', { ...told, outcome: 'Error' }],
    ['no outcome', { latencyMs: 1, costUsd: 0 }],
    ['a number for a model', { ...told, model: 4 }],
    ['a list for a fingerprint', { ...told, fingerprint: [] }],
    ['a request id with NUL', { ...told, requestId: 'a\0b' }],
    ['half a letter as its request id', { ...told, requestId: '\ud800' }],
    ['a number for a request id', { ...told, requestId: 7 }],
    ['a branch that is too long', { ...told, branch: { by: 'default', candidate: 'x'.repeat(300) } }],
    ['a branch by no known way', { ...told, branch: { by: 'constructor', candidate: 'x' } }],
    ['a branch without a candidate', { ...told, branch: { by: 'rule', rule: 0 } }],
    ['a branch that is none', { ...told, branch: noText }],
    ['no report at all', undefined],
    ['null', null],
  ])('of %s is refused, told and counted, and nothing is sent of it', async (_, report) => {
    const { client, errors, serving } = connected
    expect(client.report(serving('c-1'), unchecked<Report>(report))).toBe(false)
    expect([client.dropped, errors.map(({ code }) => code)]).toEqual([1, ['invalid_telemetry']])
    await client.flush()
    expect(sent()).toEqual(nothing)
  })

  it('for no serving is refused, told and counted', () => {
    expect(connected.client.report(unchecked(undefined), told)).toBe(false)
    expect([connected.client.dropped, connected.errors.length]).toEqual([1, 1])
  })

  it('is taken with a fingerprint and a model of null, as some providers answer, and the server takes it', async () => {
    const { client, serving } = connected
    const branch = { by: 'label', label: 'hard', candidate: 'large', fallback: 0 } as const
    expect(client.report(serving('c-1'), { ...told, outcome: 'error', fingerprint: null, model: null, branch })).toBe(
      true,
    )
    await client.flush()
    const { units, requests } = sent()
    expect(requestSchema.parse(requests[0])).toMatchObject({
      outcome: 'error',
      branch: 'label hard: large, fallback 0',
    })
    expect(unitSchema.parse(units[0])).toMatchObject({ errors: 1 })
  })
})

describe('an outcome', () => {
  const of = { tenant: 'acme', conversation: 'c-1' }
  const quality = { metric: 'human_csat', value: 4 }
  it.each<[string, unknown, unknown, unknown]>([
    ['no conversation', 'csat', null, quality],
    ['a tenant with NUL', 'csat', { ...of, tenant: 'a\0' }, quality],
    ['an empty conversation', 'csat', { ...of, conversation: '' }, quality],
    ['a number for a task', 4, of, quality],
    ['an id that is too long', 'csat', of, { ...quality, id: 'x'.repeat(257) }],
    ['a value that is no number', 'csat', of, { ...quality, value: noText }],
    ['a symbol for a value', 'csat', of, { ...quality, value: Symbol('x') }],
    ['a value beyond what the server takes', 'csat', of, { ...quality, value: 5e9 }],
    ['a metric that is no text', 'csat', of, { ...quality, metric: noText }],
    ['no value', 'csat', of, undefined],
  ])('of %s is refused, told and counted, and nothing is sent of it', async (_, task, conversation, value) => {
    const { client, errors } = connected
    expect(client.outcome(unchecked(task), unchecked(conversation), unchecked(value))).toBe(false)
    expect([client.dropped, errors.map(({ code }) => code)]).toEqual([1, ['invalid_telemetry']])
    await client.flush()
    expect(sent()).toEqual(nothing)
  })
})

it('counts what the server refuses as dropped', async () => {
  const refused = [{ path: '/requests/0', code: 'invalid_telemetry', message: 'absurd' }]
  const refusing = await sdkServer(plainSnapshot(), (_, response) => {
    response.end(JSON.stringify({ accepted: {}, refused, refusedCount: 2 }))
    return true
  })
  const { client, errors } = await connectTo(refusing.url)
  await client.flush()
  expect([client.dropped, errors.length]).toEqual([2, 1])
  await client.shutdown()
  await refusing.end()
})

describe('connect', () => {
  it.each<[string, unknown]>([
    ['is no Sluice server', { ok: true }],
    ['answers null', null],
    ['answers a list', []],
    ['speaks a newer form', { ...plainSnapshot(), specVersion: 2 }],
    ['serves another environment', { ...plainSnapshot(), environment: 'staging' }],
    ['gives no version', { ...plainSnapshot(), version: 7 }],
    ['gives no lanes', { ...plainSnapshot(), lanes: null }],
  ])('refuses what %s', async (_, answer) => {
    const stranger = await sdkServer(answer)
    await expect(connectTo(stranger.url)).rejects.toMatchObject({ code: 'api_unreachable' })
    await stranger.end()
  })
})
