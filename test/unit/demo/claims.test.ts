import type { Allocation } from '../../../src/domain/allocation'
import type { Snapshot } from '../../../src/domain/snapshot'
import type { Digest } from '../../../src/domain/version'
import { binomialPValue } from '../../../tools/demo/claims/binomial'
import type { Claim } from '../../../tools/demo/claims/claim'
import { deployable } from '../../../tools/demo/claims/deployable'
import { requestsAddUp } from '../../../tools/demo/claims/money'
import { resolution } from '../../../tools/demo/claims/resolution'
import { shares } from '../../../tools/demo/claims/shares'
import { switchedOff } from '../../../tools/demo/claims/switched-off'
import { versions } from '../../../tools/demo/claims/versions'
import { conversationsOf, type Facts } from '../../../tools/demo/facts'
import type { ServedRow } from '../../../tools/demo/messages'
import { task } from '../../../tools/demo/scenes'

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest
const [old, next] = [digest('a'), digest('b')]

const entry = (seq: number, change: Partial<Allocation>): Allocation => ({
  environment: 'production',
  task,
  seq,
  key: `r/${seq}/append`,
  at: seq * 10_000,
  by: 'ann',
  cause: 'step',
  exposure: [],
  salt: 'salt',
  prev: '',
  hash: '',
  ...change,
})

/** Settled, half on the candidate, taken back, off, on. */
const entries: readonly Allocation[] = [
  entry(1, { cause: 'settle', incumbent: old, releaseId: 'first' }),
  entry(2, {
    incumbent: old,
    candidate: next,
    releaseId: 'good',
    exposure: [{ to: 'rest', basisPoints: 5_000, by: 'conversation' }],
  }),
  entry(3, { cause: 'rollback', incumbent: old, revokes: [next] }),
  entry(4, { cause: 'disable', incumbent: old, disabled: true }),
  entry(5, { cause: 'enable', incumbent: old }),
]

const row = (change: Partial<ServedRow>): ServedRow => ({
  kind: 'served',
  application: 'app-1',
  requestId: 'q',
  tenant: 'acme',
  conversation: 'c',
  transcript: 0,
  cut: 0,
  last: false,
  composite: old,
  arm: 'none',
  reason: 'settled',
  seq: 1,
  slice: -1,
  tenantSeq: 0,
  headSeq: 2,
  resolvedAt: 25_000,
  answeredAt: 25_100,
  outcome: 'ok',
  inputTokens: 1,
  cachedTokens: 0,
  outputTokens: 1,
  costUsd: 0.1,
  uncachedCostUsd: 0.1,
  ...change,
})

const composite = (id: Digest) => ({ id, roles: {}, contents: {} })
const snapshot: Snapshot = {
  specVersion: 1,
  environment: 'production',
  version: 'v',
  leadMs: 0,
  lanes: { [task]: { task, entries } },
  tenants: {},
  composites: { [old]: composite(old), [next]: composite(next) },
}

async function faults(claim: Claim, rows: readonly ServedRow[], more: Partial<Facts> = {}): Promise<readonly string[]> {
  const facts = { rows, conversations: conversationsOf(rows), entries, snapshot, skips: [], tenantEntries: [], ...more }
  return (await claim.check(facts as unknown as Facts)).faults
}

describe('the claims of the demo', () => {
  const onCandidate = row({ composite: next, arm: 'candidate', reason: 'slice', seq: 2, slice: 0 })
  const moved = row({ ...onCandidate, composite: old, arm: 'none', reason: 'revoked', slice: -1, headSeq: 3 })

  it('let a conversation move by the rollback of its version', async () => {
    expect(await faults(versions, [onCandidate, onCandidate, moved, moved])).toEqual([])
  })

  it.each([
    ['without one', [onCandidate, row({ ...moved, headSeq: 2 })]],
    ['back to what was withdrawn', [moved, onCandidate]],
    ['to a version that nobody rolled back to', [onCandidate, row({ ...moved, composite: digest('c') })]],
    ['from a version that was not withdrawn', [row({ seq: 2 }), row({ seq: 2, composite: next, headSeq: 3 })]],
    ['to another binding', [row({ seq: 1 }), row({ seq: 2 })]],
  ])('find a conversation that moves %s', async (_, rows) => {
    expect(await faults(versions, rows)).toHaveLength(1)
  })

  it('find a request that was served another version than the ledgers decide', async () => {
    const settled = row({ headSeq: 1 })
    expect(await faults(resolution, [settled])).toEqual([])
    expect(await faults(resolution, [row({ ...settled, composite: next })])).toHaveLength(1)
    expect(await faults(resolution, [row({ ...settled, headSeq: 4 })])).toEqual([
      expect.stringContaining('though it is disabled'),
    ])
  })

  it('find shares that are not the intended ones', async () => {
    const conversations = (candidates: number) =>
      Array.from({ length: 100 }, (_, index) =>
        row({ ...onCandidate, conversation: `c-${index}`, arm: index < candidates ? 'candidate' : 'incumbent' }),
      )
    expect(await faults(shares, conversations(50))).toEqual([])
    expect(await faults(shares, conversations(70))).toEqual([])
    expect(await faults(shares, conversations(80))).toHaveLength(1)
  })

  it('have an exact binomial test', () => {
    expect(binomialPValue(5, 10, 0.5)).toBeCloseTo(1, 9)
    expect(binomialPValue(0, 10, 0.5)).toBeCloseTo(2 / 1024, 9)
    expect(binomialPValue(3, 3, 0.1)).toBeCloseTo(0.001, 9)
    expect([binomialPValue(3, 3, 1), binomialPValue(2, 3, 1)]).toEqual([1, 0])
  })

  it('find what was served without evidence from before its entry', async () => {
    const plan = (incumbent?: Digest) => ({
      suite: digest('5'),
      policy: digest('6'),
      lanes: [{ environment: 'production', baseSeq: 0, ...(incumbent ? { incumbent } : {}) }],
    })
    const story = {
      first: { record: { id: 'first' }, plan: plan() },
      good: { record: { id: 'good' }, plan: plan(old) },
    } as unknown as Facts['story']
    const verdict = (candidate: Digest, at: number, change: object = {}) => ({
      candidate,
      suite: digest('5'),
      policy: digest('6'),
      verdict: 'pass',
      at,
      ...change,
    })
    const check = (...verdicts: object[]) =>
      faults(deployable, [onCandidate], { story, verdicts: verdicts as unknown as Facts['verdicts'] })
    const first = verdict(old, 5_000)
    const against = { incumbent: old }
    expect(await check(first, verdict(next, 15_000, against))).toEqual([])
    expect(await check(first, verdict(next, 21_000, against))).toHaveLength(2)
    expect(await check(first, verdict(next, 15_000))).toHaveLength(2)
    expect(await check(first, verdict(next, 15_000, { ...against, policy: digest('7') }))).toHaveLength(2)
    const revoked = verdict(next, 16_000, { ...against, verdict: 'fail' })
    expect(await check(first, verdict(next, 15_000, against), revoked)).toHaveLength(2)
  })

  it('find a request that was served while the task was off', async () => {
    const skip = {
      kind: 'skipped',
      application: 'app-1',
      tenant: 'acme',
      conversation: 'c',
      resolvedAt: 45_000,
    } as const
    const skips = [{ ...skip, skip: 'disabled' }]
    const goesOn = row({ headSeq: 5, resolvedAt: 51_000 })
    expect(await faults(switchedOff, [row({ resolvedAt: 40_100 }), goesOn], { skips })).toEqual([])
    expect(await faults(switchedOff, [row({ resolvedAt: 43_000 }), goesOn], { skips })).toHaveLength(1)
    expect(await faults(switchedOff, [goesOn])).toHaveLength(1)
    expect(await faults(switchedOff, [goesOn], { skips: [...skips, { ...skip, skip: 'not_deployed' }] })).toHaveLength(
      1,
    )
  })

  it('find a request that the log lacks, doubles or knows otherwise, and a record that was dropped', async () => {
    const check = (logged: readonly { requestId: string; composite: Digest }[], dropped = 0) => {
      const requests = {
        async *all() {
          yield* logged
        },
      }
      const reporters = { list: async () => [{ refused: 0, dropped: 0, late: [] }] }
      const ground = { store: { telemetry: { reporters, requests } } }
      return faults(requestsAddUp, [row({})], { ground: ground as never, ends: [{ dropped, faults: [] }] })
    }
    const known = { requestId: 'q', composite: old }
    expect(await check([known])).toEqual([])
    expect(await check([])).toHaveLength(2)
    expect(await check([{ requestId: 'q', composite: next }])).toHaveLength(1)
    expect(await check([known, { requestId: 'r', composite: old }])).toHaveLength(1)
    expect(await check([known, known])).toHaveLength(1)
    expect(await check([known], 1)).toHaveLength(1)
  })
})
