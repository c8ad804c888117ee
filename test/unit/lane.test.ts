import type { Allocation, EntryDraft } from '../../src/domain/allocation'
import {
  assertEntry,
  emptyLane,
  foldEntry,
  heldByRelease,
  isVetoed,
  type LaneState,
  laneName,
  previousSettled,
  restoreTarget,
  servedByHead,
} from '../../src/domain/lane'
import type { Digest } from '../../src/domain/version'

const [v0, v1, v2, v3] = ['v0', 'v1', 'v2', 'v3'].map((name) => `sha256:${name}` as Digest) as [
  Digest,
  Digest,
  Digest,
  Digest,
]
const rest = [{ to: 'rest', basisPoints: 500, by: 'conversation' }] as const

type Sketch = Partial<Allocation> & Pick<Allocation, 'cause'>

const settle = (incumbent: Digest, releaseId = `of ${incumbent}`): Sketch => ({ cause: 'settle', incumbent, releaseId })
const step = (candidate: Digest, incumbent?: Digest, releaseId = `of ${candidate}`): Sketch => ({
  cause: 'step',
  candidate,
  exposure: rest,
  releaseId,
  ...(incumbent === undefined ? {} : { incumbent }),
})
const rollback = (incumbent?: Digest): Sketch => ({
  cause: 'rollback',
  ...(incumbent === undefined ? { disabled: true } : { incumbent }),
})

/** The lane after these entries. */
function laneOf(...sketches: readonly Sketch[]): LaneState {
  return sketches.reduce(
    (lane, sketch, index) => {
      const seq = index + 1
      const frame = { environment: 'production', task: 'csat', key: `k${seq}`, by: 'ann', exposure: [], salt: 's' }
      const chain = { prev: lane.headHash, hash: `hash ${seq}` }
      return foldEntry(lane, { ...frame, seq, at: seq * 1_000, ...chain, ...sketch })
    },
    emptyLane('production', 'csat'),
  )
}

const vetoing = (lane: LaneState, ...composites: readonly Digest[]): LaneState => ({
  ...lane,
  vetoes: composites.map((composite) => ({ composite, by: 'ann', at: 1, reason: 'errors' })),
})

describe('the fold of a lane', () => {
  it('begins with nothing', () => {
    expect(emptyLane('production', 'csat')).toMatchObject({ headSeq: 0, baseSeq: 0, settled: [], disabled: false })
    expect(laneName(emptyLane('production', 'csat'))).toBe('production/csat')
  })

  it('knows head, base, arms and release of the newest entry', () => {
    expect(laneOf(settle(v0), step(v1, v0))).toMatchObject({
      headSeq: 2,
      headAt: 2_000,
      headHash: 'hash 2',
      baseSeq: 2,
      baseCause: 'step',
      incumbent: v0,
      candidate: v1,
      releaseId: 'of sha256:v1',
      settled: [v0],
    })
  })

  it('moves the head by disable and enable, and nothing else', () => {
    const before = laneOf(settle(v0), step(v1, v0))
    const disabled = laneOf(settle(v0), step(v1, v0), {
      cause: 'disable',
      disabled: true,
      incumbent: v0,
      candidate: v1,
    })
    const { headSeq: _seq, headAt: _at, headHash: _hash, disabled: _flag, ...kept } = disabled
    expect(disabled).toMatchObject({ headSeq: 3, headAt: 3_000, headHash: 'hash 3', disabled: true })
    expect(before).toMatchObject(kept)
  })

  it("forgets the release after its rollback, so that withdrawing it again is nobody's business", () => {
    const lane = laneOf(settle(v0), step(v1, v0), { ...rollback(v0), releaseId: 'of sha256:v1' })
    expect([lane.releaseId, lane.candidate]).toEqual([undefined, undefined])
    expect(heldByRelease(lane, 'of sha256:v1')).toBe(false)
    expect(heldByRelease(laneOf(settle(v0), step(v1, v0)), 'of sha256:v1')).toBe(true)
  })
})

describe('the stack of settled composites', () => {
  it.each([
    ['a settle pushes', [settle(v0), step(v1, v0), settle(v1)], [v0, v1]],
    ['a settle of what stands on top pushes nothing', [settle(v0), settle(v0)], [v0]],
    ['what was left behind may settle again', [settle(v0), settle(v1), settle(v0)], [v0, v1, v0]],
    ['a step changes nothing', [settle(v0), step(v1, v0)], [v0]],
    ['a rollback of a step changes nothing', [settle(v0), step(v1, v0), rollback(v0)], [v0]],
    ['a rollback pops down to its target', [settle(v0), settle(v1), settle(v2), rollback(v0)], [v0]],
    [
      'to the upper one, where the target stands twice',
      [settle(v0), settle(v1), settle(v0), settle(v2), rollback(v0)],
      [v0, v1, v0],
    ],
    [
      'a target no longer on the stack replaces the top',
      [settle(v0), settle(v1), rollback(v0), settle(v2), rollback(v1)],
      [v0, v1],
    ],
    ['the rollback of a first release before its settle leaves none', [step(v0), rollback()], []],
    ['the rollback of a first release after its settle leaves none', [settle(v0), rollback()], []],
    ['and what settles then has no previous', [settle(v0), rollback(), settle(v1)], [v1]],
  ] as const)('%s', (_, sketches, stack) => {
    const lane = laneOf(...sketches)
    expect(lane.settled).toEqual(stack)
    expect(lane.settled.at(-1)).toBe(lane.incumbent)
  })
})

describe('the previous composite', () => {
  const three = laneOf(settle(v0), settle(v1), settle(v2))

  it('is the next below the top', () => {
    expect(previousSettled(three)).toBe(v1)
  })

  it('is the next below without a veto', () => {
    expect(previousSettled(vetoing(three, v1))).toBe(v0)
    expect(previousSettled(vetoing(three, v1, v0))).toBeUndefined()
    expect([isVetoed(vetoing(three, v1), v1), isVetoed(vetoing(three, v1), v0)]).toEqual([true, false])
  })

  it('is never the incumbent itself, although it settled before', () => {
    expect(previousSettled(laneOf(settle(v0), settle(v1), settle(v0)))).toBe(v1)
    expect(previousSettled(vetoing(laneOf(settle(v0), settle(v1), settle(v0)), v1))).toBeUndefined()
    expect(previousSettled(laneOf(settle(v0), settle(v1), settle(v0), rollback(v1)))).toBe(v0)
  })

  it('is none for one composite, and none for an empty lane', () => {
    expect(previousSettled(laneOf(settle(v0)))).toBeUndefined()
    expect(previousSettled(emptyLane('production', 'csat'))).toBeUndefined()
  })
})

describe('withdrawing a release', () => {
  it.each([
    ['before its settle goes to the incumbent beside it', laneOf(settle(v0), settle(v1), step(v2, v1)), v1],
    ['after its settle goes to the one below', laneOf(settle(v0), settle(v1), step(v2, v1), settle(v2)), v1],
    ['a first one goes to none', laneOf(step(v0)), undefined],
    ['a first one after its settle goes to none', laneOf(step(v0), settle(v0)), undefined],
    [
      'after a rollback between stays beside the target',
      laneOf(settle(v0), settle(v1), rollback(v0), step(v2, v0)),
      v0,
    ],
  ] as const)('%s', (_, lane, target) => {
    expect(restoreTarget(lane)).toBe(target)
  })

  it('revokes what the head serves', () => {
    expect(servedByHead(laneOf(settle(v0), step(v1, v0)))).toEqual([v0, v1])
    expect(servedByHead(laneOf(settle(v0)))).toEqual([v0])
    expect(servedByHead(laneOf(step(v0)))).toEqual([v0])
    expect(servedByHead(emptyLane('production', 'csat'))).toEqual([])
  })
})

describe('the shape of a forward entry', () => {
  const good: EntryDraft = { cause: 'step', by: 'ann', incumbent: v0, candidate: v1, exposure: rest, salt: 'release-1' }
  const slices = (basisPoints: number) => [{ to: 'rest', basisPoints, by: 'conversation' }] as const
  const named = Array.from({ length: 10_001 }, (_, index) => `t-${index}`)
  const { candidate: _candidate, ...without } = good

  it.each([
    ['a step', good],
    ['a step without an incumbent', { ...without, candidate: v1, incumbent: undefined } as unknown as EntryDraft],
    ['a settle', { ...without, cause: 'settle', exposure: [] }],
    ['shares at the ends', { ...good, exposure: [...slices(0), ...slices(10_000)] }],
  ] as const)('%s is taken', (_, draft) => {
    expect(() => assertEntry(draft)).not.toThrow()
  })

  it.each([
    ['a step without a candidate', without],
    ['a step that exposes nobody', { ...good, exposure: [] }],
    ['a settle with a candidate', { ...good, cause: 'settle' }],
    ['a settle of nothing', { cause: 'settle', by: 'ann', exposure: [], salt: 's' }],
    ['candidate and incumbent the same', { ...good, candidate: v0 }],
    ['a negative share', { ...good, exposure: slices(-1) }],
    ['a share above all', { ...good, exposure: slices(10_001) }],
    ['half a basis point', { ...good, exposure: slices(0.5) }],
    ['a share that is no number', { ...good, exposure: slices(Number.NaN) }],
    ['too many slices', { ...good, exposure: Array.from({ length: 21 }, () => slices(1)[0]) }],
    ['too many tenants by name', { ...good, exposure: [{ to: { tenants: named }, basisPoints: 1, by: 'tenant' }] }],
    ['a rollback in disguise', { ...good, cause: 'rollback' }],
    ['a flag in disguise', { ...good, cause: 'enable' }],
    ['a step that revokes', { ...good, revokes: [v3] }],
    ['a step that sets the flag', { ...good, disabled: false }],
  ])('%s is refused', (_, draft) => {
    expect(() => assertEntry(draft as EntryDraft)).toThrow(expect.objectContaining({ code: 'invalid_entry' }))
  })

  it('needs a salt that hashes the same everywhere', () => {
    for (const salt of ['', 'a\0b', '\ud800']) {
      expect(() => assertEntry({ ...good, salt })).toThrow(expect.objectContaining({ code: 'invalid_id' }))
    }
  })
})
