import { readCommandPayload, readReleaseInput } from '../../workflows/messages'

const request = { task: 'csat', change: { prompt: 'csat@1.1.0' }, why: 'shorter' }

function deep(levels: number): unknown {
  let value: unknown = 'deep'
  for (let level = 0; level < levels; level += 1) value = [value]
  return value
}

describe('what somebody typed into the Temporal UI to start a release', () => {
  it('is taken where it is a release, with or without an id', () => {
    expect(readReleaseInput({ request, author: 'ann' })).toEqual({ request, author: 'ann' })
    expect(readReleaseInput({ request, author: 'ann', releaseId: '' })).toEqual({ request, author: 'ann' })
    expect(readReleaseInput({ request, author: 'ann', releaseId: 'R1' })).toMatchObject({ releaseId: 'R1' })
  })

  it.each([
    ['nothing', undefined],
    ['a text', 'csat'],
    ['no request', { author: 'ann' }],
    ['no author', { request }],
    ['no reason', { request: { ...request, why: ' ' }, author: 'ann' }],
    ['no change', { request: { ...request, change: undefined }, author: 'ann' }],
    ['a change that is a list of objects', { request: { ...request, change: [{}] }, author: 'ann' }],
    ['a query instead of a task', { request: { ...request, task: { $gt: '' } }, author: 'ann' }],
    ['one so deep that nobody can walk it', { request: { ...request, more: deep(100_000) }, author: 'ann' }],
    ['a policy that is no text', { request: { ...request, policy: 1 }, author: 'ann' }],
    ['a text without end', { request: { ...request, why: 'w'.repeat(10_000) }, author: 'ann' }],
    ['an id that would be several parts of a key', { request, author: 'ann', releaseId: 'a/b' }],
  ])('is refused where it is %s', (_what, value) => {
    expect(readReleaseInput(value)).toBeUndefined()
  })
})

it('a command keeps nothing but who, why and the plan, within the bounds of the API', () => {
  const typed = { by: 'ann', reason: 'r'.repeat(5_000), name: 'approve', authenticated: true, at: 0 }
  expect(readCommandPayload(typed)).toEqual({ by: 'ann', reason: 'r'.repeat(2_000) })
})
