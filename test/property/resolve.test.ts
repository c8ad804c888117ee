import fc from 'fast-check'
import { compileSnapshot } from '../../src/domain/compiled-snapshot'
import { type ResolveRequest, resolve } from '../../src/domain/resolve'
import type { LaneView, Snapshot } from '../../src/domain/snapshot'
import type { Digest } from '../../src/domain/version'
import { runs } from '../support/effort'
import { digest, environment, type Scene, sceneEvents, scenesOf, task, tenants } from '../support/lane-history'
import { type PlainAnswer, plainBucket, plainResolve } from '../support/plain-resolve'
import { compiledResolve, productResolve } from '../support/product-resolve'
import { applyDelta, diffSnapshots } from '../support/snapshot-delta'

const many = { numRuns: runs(400) }
const conversation = fc.integer({ min: 0, max: 40 }).map((number) => `c-${number}`)
const tenant = fc.constantFrom(...tenants, 'stranger')
const who = fc.record({ tenant, conversation })

const laneOf = ({ snapshot }: Scene): LaneView => snapshot.lanes[task] as LaneView
const sceneAt = (scenes: readonly Scene[], index: number): Scene => scenes[index % scenes.length] as Scene

/** Ids with something that has no hash, or only looks like it, at every place of a word. */
const oddId = fc
  .tuple(
    fc.nat({ max: 9 }),
    fc.constantFrom('\0', '\ud83d', '\ude00', '😀', 'é', '\u0001', '\u0080'),
    fc.nat({ max: 9 }),
  )
  .map(([before, odd, behind]) => `${'c'.repeat(before)}${odd}${'-'.repeat(behind)}`)

/** Whatever a caller, typed or not, may hand in. */
const anyRequest: fc.Arbitrary<ResolveRequest> = fc.record(
  {
    task: fc.oneof(fc.constant(task), fc.constantFrom('csat', '__proto__', 'constructor', '')),
    tenant: fc.oneof(tenant, oddId, fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom(null, 7, '\ud800')),
    conversation: fc.oneof(
      conversation,
      oddId,
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.constantFrom(undefined, 'x'.repeat(257)),
    ),
    binding: fc.oneof(
      fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 8 })).map(([seq, at]) => `b1.${seq}.${at}`),
      fc.constantFrom('', 'b1', 'b1.01.0', 'b2.1.0', null, 7),
    ),
    startedAt: fc.oneof(
      fc.integer({ min: 900, max: 3_000 }),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, '1000', null),
    ),
    allowBehind: fc.boolean(),
  },
  { requiredKeys: ['task', 'tenant', 'conversation'] },
) as fc.Arbitrary<ResolveRequest>

/** A snapshot as an application may really hold it: entries that left, composites that are missing, other tasks' lanes. */
function worn(snapshot: Snapshot, dropped: number, missing: readonly number[], superseding: boolean): Snapshot {
  const lane = snapshot.lanes[task] as LaneView
  const entries = lane.entries.slice(Math.min(dropped, Math.max(0, lane.entries.length - 1)))
  const older = lane.entries
    .slice(0, lane.entries.length - entries.length)
    .filter(({ revokes }) => revokes !== undefined)
  const composites = Object.fromEntries(
    Object.entries(snapshot.composites).filter(([id]) => !missing.some((number) => digest(number) === id)),
  )
  const cut = Object.fromEntries(
    Object.entries(snapshot.tenants).map(([id, history]) => [id, history.slice(Math.min(dropped, history.length - 1))]),
  )
  const supersedes = superseding ? { supersedes: 'csat' } : {}
  const view = { ...lane, entries, ...supersedes, ...(older.length > 0 ? { olderRevocations: older } : {}) }
  return { ...snapshot, composites, tenants: cut, lanes: { [task]: view } }
}

const wear = fc.tuple(
  fc.integer({ min: 0, max: 6 }),
  fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 2 }),
  fc.boolean(),
)

describe('resolve', () => {
  it('is total: it answers, or refuses by a documented code, exactly as the rules read word by word', () => {
    fc.assert(
      fc.property(
        sceneEvents,
        fc.nat(),
        wear,
        fc.array(anyRequest, { minLength: 1, maxLength: 12 }),
        (events, index, [dropped, missing, superseding], requests) => {
          const snapshot = worn(sceneAt(scenesOf(events), index).snapshot, dropped, missing, superseding)
          for (const request of requests)
            expect(productResolve(snapshot, request)).toEqual(plainResolve(snapshot, request))
        },
      ),
      many,
    )
  })

  it('is sticky: a binding gives the same answer for ever, but for entries that revoke that very result', () => {
    fc.assert(
      fc.property(sceneEvents, fc.nat(), who, (events, index, person) => {
        const scenes = scenesOf(events)
        const from = index % scenes.length
        const begun = sceneAt(scenes, from)
        const first = productResolve(begun.snapshot, { task, ...person, startedAt: begun.now })
        if (!('composite' in first)) return
        const headThen = laneOf(begun).entries.length
        for (const scene of scenes.slice(from)) {
          const answer = productResolve(scene.snapshot, { task, ...person, binding: first.binding })
          expect(answer).toEqual(expectedLater(first, laneOf(scene), headThen))
        }
      }),
      many,
    )
  })

  it('gives a start what it gave the binding of that moment, so a lost binding loses nothing', () => {
    fc.assert(
      fc.property(sceneEvents, fc.nat(), who, (events, index, person) => {
        const scenes = scenesOf(events)
        const from = index % scenes.length
        const { now, snapshot } = sceneAt(scenes, from)
        const first = productResolve(snapshot, { task, ...person, startedAt: now })
        if (!('composite' in first)) return
        // At the same millisecond a further entry may still begin to count; after it, none.
        for (const scene of scenes.slice(from).filter((later) => later.now > now)) {
          const since = laneOf(scene).entries.filter(({ seq, at }) => seq > first.seq && at <= now)
          if (since.length > 0) continue
          const byStart = productResolve(scene.snapshot, { task, ...person, startedAt: now })
          expect(byStart).toEqual(productResolve(scene.snapshot, { task, ...person, binding: first.binding }))
        }
      }),
      many,
    )
  })

  it('names an arm exactly where a bucket was compared, and the slice that it was compared in', () => {
    fc.assert(
      fc.property(sceneEvents, fc.nat(), who, (events, index, person) => {
        const { now, snapshot } = sceneAt(scenesOf(events), index)
        const answer = productResolve(snapshot, { task, ...person, startedAt: now + 1_000 })
        if (!('composite' in answer)) return
        const entry = snapshot.lanes[task]?.entries.find(({ seq }) => seq === answer.seq)
        const compared = entry?.exposure[answer.slice]
        expect(answer.arm !== 'none').toBe(answer.reason === 'slice')
        expect(compared !== undefined).toBe(answer.reason === 'slice')
        if (entry === undefined || compared === undefined) return
        const unit = compared.by === 'tenant' ? undefined : person.conversation
        const below = plainBucket(entry.salt, person.tenant, unit) < compared.basisPoints
        expect(answer.arm).toBe(below ? 'candidate' : 'incumbent')
        expect(answer.composite).toBe(below ? entry.candidate : entry.incumbent)
      }),
      many,
    )
  })

  it('answers after deltas in place as if everything had been compiled afresh', () => {
    fc.assert(
      fc.property(
        sceneEvents,
        fc.array(fc.tuple(fc.nat(), wear), { minLength: 2, maxLength: 12 }),
        fc.array(anyRequest, { minLength: 1, maxLength: 6 }),
        (events, visits, requests) => {
          const scenes = scenesOf(events)
          const snapshots = visits.map(([index, [dropped, missing, superseding]], visit) => ({
            ...worn(sceneAt(scenes, index).snapshot, dropped, missing, superseding),
            version: `visit ${visit}`,
          }))
          const compiled = compileSnapshot(snapshots[0] as Snapshot)
          for (const [visit, next] of snapshots.entries()) {
            const before = snapshots[visit - 1]
            if (before !== undefined) {
              const delta = JSON.parse(JSON.stringify(diffSnapshots(before, next)))
              expect(compiled.apply({ ...delta, from: 'another version' })).toBe(false)
              expect(compiled.apply(delta)).toBe(true)
            }
            expect(JSON.parse(JSON.stringify(compiled.snapshot))).toEqual(JSON.parse(JSON.stringify(next)))
            for (const request of requests) {
              expect(compiledResolve(compiled, request)).toEqual(plainResolve(next, request))
            }
          }
        },
      ),
      many,
    )
  })

  it('is deterministic, over the wire and through deltas, whatever tenants are called', () => {
    fc.assert(
      fc.property(sceneEvents, who, (events, person) => {
        const scenes = scenesOf(events)
        let held = JSON.parse(JSON.stringify(scenes[0]?.snapshot)) as Snapshot
        for (const [index, { now, snapshot }] of scenes.entries()) {
          const before = scenes[index - 1]?.snapshot ?? snapshot
          if (before.version !== snapshot.version) {
            const delta = JSON.parse(JSON.stringify(diffSnapshots(before, snapshot)))
            held = applyDelta(held, delta)
          }
          expect(Object.keys(held.tenants).sort()).toEqual(Object.keys(snapshot.tenants).sort())
          const request = { task, ...person, startedAt: now }
          const answer = productResolve(snapshot, request)
          expect(productResolve(held, request)).toEqual(answer)
          expect(productResolve(snapshot, request)).toEqual(answer)
          expect(applyDelta(snapshot, diffSnapshots(snapshot, before))).toEqual(before)
        }
      }),
      many,
    )
  })

  it('loses nothing by the horizon but conversations that it calls expired', () => {
    fc.assert(
      fc.property(
        sceneEvents,
        fc.integer({ min: 0, max: 12 }),
        who,
        fc.integer({ min: 900, max: 3_000 }),
        (events, dropped, person, startedAt) => {
          const { snapshot } = scenesOf(events).at(-1) as Scene
          const cut = worn(snapshot, dropped, [], false)
          const whole = productResolve(snapshot, { task, ...person, startedAt })
          const answer = productResolve(cut, { task, ...person, startedAt })
          if (!('skip' in answer && answer.skip === 'conversation_expired')) expect(answer).toEqual(whole)
          if ('composite' in whole) {
            const bound = productResolve(cut, { task, ...person, binding: whole.binding })
            if (!('skip' in bound && bound.skip === 'conversation_expired')) expect(bound).toEqual(whole)
          }
        },
      ),
      many,
    )
  })
})

/** Follows what is revoked after the beginning, entry by entry. */
function expectedLater(
  first: Extract<PlainAnswer, { composite: Digest }>,
  lane: LaneView,
  headThen: number,
): PlainAnswer {
  if (lane.entries.at(-1)?.disabled === true) return { skip: 'disabled' }
  let composite: Digest | undefined = first.composite
  let moved = false
  for (const entry of lane.entries.slice(headThen)) {
    if (composite === undefined || !entry.revokes?.includes(composite)) continue
    composite = entry.incumbent
    moved = true
  }
  if (composite === undefined) return { skip: 'not_deployed' }
  return moved ? { ...first, composite, arm: 'none', reason: 'revoked', slice: -1 } : first
}

describe('exposure', () => {
  const share = fc.integer({ min: 0, max: 10_000 })
  const rampOf = (shares: readonly number[], by: 'conversation' | 'tenant'): Snapshot => ({
    specVersion: 1,
    environment,
    version: 'ramp',
    leadMs: 0,
    tenants: {},
    composites: Object.fromEntries(
      [0, 1].map((number) => [digest(number), { id: digest(number), roles: {}, contents: {} }]),
    ),
    lanes: {
      [task]: {
        task,
        entries: shares.map((basisPoints, index) => ({
          seq: index + 1,
          at: index + 1,
          incumbent: digest(0),
          candidate: digest(1),
          exposure: [{ to: 'rest', basisPoints, by }],
          salt: 'release-1',
        })),
      },
    },
  })
  const exposed = (snapshot: Snapshot, moment: number, unit: { tenant: string; conversation: string }): boolean => {
    const answer = resolve(compileSnapshot(snapshot), { task, ...unit, startedAt: moment })
    return 'arm' in answer && answer.arm === 'candidate'
  }

  it.each(['conversation', 'tenant'] as const)(
    'by %s is nested: who is in at a share is in at every larger one',
    (by) => {
      fc.assert(
        fc.property(share, share, fc.array(who, { minLength: 1, maxLength: 40 }), (one, other, units) => {
          const snapshot = rampOf([Math.min(one, other), Math.max(one, other)], by)
          for (const unit of units) if (exposed(snapshot, 1, unit)) expect(exposed(snapshot, 2, unit)).toBe(true)
        }),
      )
    },
  )

  it('goes down by letting go of the last added first, and up again to the same units', () => {
    fc.assert(
      fc.property(
        fc.array(share, { minLength: 3, maxLength: 6 }),
        fc.array(who, { minLength: 1, maxLength: 40 }),
        (shares, units) => {
          const snapshot = rampOf(shares, 'conversation')
          for (const unit of units) {
            const bucket = plainBucket('release-1', unit.tenant, unit.conversation)
            shares.forEach((basisPoints, index) => {
              expect(exposed(snapshot, index + 1, unit)).toBe(bucket < basisPoints)
            })
          }
        },
      ),
    )
  })

  it('exposes the share that it says', () => {
    const units = Array.from({ length: 20_000 }, (_, index) => ({
      tenant: `t-${index % 50}`,
      conversation: `c-${index}`,
    }))
    for (const basisPoints of [0, 100, 500, 2_500, 5_000, 9_500, 10_000]) {
      const snapshot = rampOf([basisPoints], 'conversation')
      const compiled = compileSnapshot(snapshot)
      const count = units.filter((unit) => {
        const answer = resolve(compiled, { task, ...unit, startedAt: 1 })
        return 'arm' in answer && answer.arm === 'candidate'
      }).length
      const expected = (units.length * basisPoints) / 10_000
      const deviation = Math.sqrt((expected * (10_000 - basisPoints)) / 10_000)
      expect(Math.abs(count - expected)).toBeLessThanOrEqual(4 * deviation)
    }
  })
})
