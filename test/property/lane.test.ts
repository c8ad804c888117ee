import fc from 'fast-check'
import type { Allocation, EntryCause } from '../../src/domain/allocation'
import {
  emptyLane,
  foldEntry,
  isVetoed,
  type LaneState,
  previousSettled,
  restoreTarget,
  servedByHead,
} from '../../src/domain/lane'
import type { Digest } from '../../src/domain/version'
import { runs } from '../support/effort'

/** What is done to a lane; what the rules forbid at that moment leaves it as it is. */
interface Act {
  readonly do: 'release' | 'settle' | 'withdraw' | 'rollback' | 'back to' | 'disable' | 'enable'
  readonly version: number
  readonly veto: boolean
}

interface Book {
  readonly entries: readonly Allocation[]
  readonly lane: LaneState
}

const digest = (version: number): Digest => `sha256:v${version}`
const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.record({
    do: fc.constantFrom('release', 'settle', 'settle', 'withdraw', 'rollback', 'back to', 'disable', 'enable'),
    version: fc.integer({ min: 0, max: 5 }),
    veto: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
)

function write(book: Book, cause: EntryCause, content: Partial<Allocation>): Book {
  const { lane } = book
  const seq = lane.headSeq + 1
  const frame = { environment: 'production', task: 'csat', by: 'ann', exposure: [], salt: 's', key: `k${seq}` }
  const entry: Allocation = {
    ...frame,
    ...content,
    cause,
    seq,
    at: lane.headAt + 1,
    prev: lane.headHash,
    hash: `h${seq}`,
  }
  return { entries: [...book.entries, entry], lane: foldEntry(lane, entry) }
}

function back(book: Book, target: Digest | undefined, veto: boolean): Book {
  const revoked = servedByHead(book.lane).filter((composite) => composite !== target)
  const disabled = target === undefined || book.lane.disabled
  const content = { ...(target === undefined ? {} : { incumbent: target }), ...(disabled ? { disabled: true } : {}) }
  const { entries, lane } = write(book, 'rollback', content)
  const vetoes = veto ? revoked.map((composite) => ({ composite, by: 'ann', at: 0, reason: 'r' })) : []
  return { entries, lane: { ...lane, vetoes: [...lane.vetoes, ...vetoes] } }
}

function perform(book: Book, act: Act): Book {
  const { lane } = book
  const version = digest(act.version)
  const arms = {
    ...(lane.incumbent ? { incumbent: lane.incumbent } : {}),
    ...(lane.candidate ? { candidate: lane.candidate } : {}),
  }
  switch (act.do) {
    case 'release':
      if (lane.disabled || isVetoed(lane, version) || version === lane.incumbent) return book
      return write(book, 'step', { ...arms, candidate: version, releaseId: releaseOf(lane, version) })
    case 'settle': {
      const incumbent = lane.candidate ?? version
      if (lane.disabled || isVetoed(lane, incumbent)) return book
      return write(book, 'settle', { incumbent, releaseId: releaseOf(lane, incumbent) })
    }
    case 'withdraw':
      return lane.releaseId === undefined ? book : back(book, restoreTarget(lane), act.veto)
    case 'rollback': {
      const previous = previousSettled(lane)
      return lane.candidate !== undefined || previous === undefined ? book : back(book, previous, act.veto)
    }
    case 'back to': {
      const settled = book.entries.some(({ cause, incumbent }) => cause === 'settle' && incumbent === version)
      return settled && !isVetoed(lane, version) ? back(book, version, act.veto) : book
    }
    case 'disable':
    case 'enable': {
      const disabled = act.do === 'disable'
      if (lane.headSeq === 0 || lane.disabled === disabled) return book
      return write(book, act.do, { ...arms, ...(disabled ? { disabled } : {}) })
    }
  }
}

/** The running release goes on with its candidate; anything else is a release of its own. */
const releaseOf = (lane: LaneState, version: Digest): string =>
  lane.candidate === version && lane.releaseId !== undefined ? lane.releaseId : `r${lane.headSeq + 1}`

const empty: Book = { entries: [], lane: emptyLane('production', 'csat') }

/** The lane after each act. */
function booksOf(list: readonly Act[]): readonly Book[] {
  const books: Book[] = []
  for (const act of list) books.push(perform(books.at(-1) ?? empty, act))
  return books
}

const check = (law: (books: readonly Book[]) => void) =>
  fc.assert(
    fc.property(acts, (list) => law(booksOf(list))),
    { numRuns: runs(500) },
  )

describe('the fold of a lane', () => {
  it('has the incumbent on top of its settled stack, always', () => {
    check((books) => {
      for (const { lane } of books) expect(lane.settled.at(-1)).toBe(lane.incumbent)
    })
  })

  it('holds on the stack nothing that never settled, and nothing twice in a row', () => {
    check((books) => {
      for (const { entries, lane } of books) {
        const settled = new Set(entries.filter(({ cause }) => cause === 'settle').map(({ incumbent }) => incumbent))
        expect(lane.settled.filter((composite) => !settled.has(composite))).toEqual([])
        expect(lane.settled.filter((composite, index) => composite === lane.settled[index + 1])).toEqual([])
      }
    })
  })

  it('counts every entry in its head, and only those that change the allocation in its base', () => {
    check((books) => {
      for (const { entries, lane } of books) {
        const flags: readonly EntryCause[] = ['disable', 'enable']
        const base = entries.findLast(({ cause }) => !flags.includes(cause))
        expect([lane.headSeq, lane.baseSeq, lane.baseCause]).toEqual([entries.length, base?.seq ?? 0, base?.cause])
        expect(lane.disabled).toBe(entries.at(-1)?.disabled === true)
      }
    })
  })

  it('is the same whether flag entries were there or not, but for the head and the flag itself', () => {
    check((books) => {
      const last = books.at(-1) ?? empty
      const quiet = last.entries
        .filter(({ cause }) => cause !== 'disable' && cause !== 'enable')
        .reduce(foldEntry, empty.lane)
      const allocation = ({ incumbent, candidate, settled, releaseId, baseCause, baseSeq }: LaneState) => ({
        ...{ incumbent, candidate, settled, releaseId, baseCause, baseSeq },
      })
      expect(allocation(quiet)).toEqual(allocation(last.lane))
    })
  })

  it('never changes the state it is given', () => {
    check((books) => {
      for (const [index, { lane }] of books.entries()) {
        const before = structuredClone(lane)
        const entry = books[index + 1]?.entries.at(-1)
        if (entry) foldEntry(lane, entry)
        expect(lane).toEqual(before)
      }
    })
  })
})

describe('rolling back again and again', () => {
  it('walks down the stack, never comes back to what it left, and ends', () => {
    check((books) => {
      let book = books.at(-1) ?? empty
      if (book.lane.candidate !== undefined) book = back(book, book.lane.incumbent, false)
      const depth = book.lane.settled.length
      const left: number[] = []
      for (let target = previousSettled(book.lane); target !== undefined; target = previousSettled(book.lane)) {
        left.push(book.lane.settled.length)
        expect(target).not.toBe(book.lane.incumbent)
        expect(isVetoed(book.lane, target)).toBe(false)
        book = back(book, target, false)
        expect(left.length).toBeLessThanOrEqual(depth)
      }
      expect(left).toEqual([...new Set(left)].sort((one, other) => other - one))
    })
  })

  it('with a veto each time, never meets a composite twice', () => {
    check((books) => {
      let book = books.at(-1) ?? empty
      const met = [book.lane.incumbent]
      for (let target = previousSettled(book.lane); target !== undefined; target = previousSettled(book.lane)) {
        book = back(book, target, true)
        met.push(target)
      }
      expect(new Set(met).size).toBe(met.length)
    })
  })
})

describe('withdrawing a release', () => {
  it('goes back to the incumbent that was there before the release', () => {
    check((books) => {
      for (const { entries, lane } of books) {
        if (lane.releaseId === undefined) continue
        const begun = entries.findIndex(({ releaseId }) => releaseId === lane.releaseId)
        const before = entries.slice(0, begun).reduce(foldEntry, empty.lane)
        const target = restoreTarget(lane)
        // Re-settling the incumbent is no release of anything else.
        if (before.incumbent === lane.incumbent && lane.candidate === undefined) continue
        expect(target).toBe(before.incumbent)
      }
    })
  })
})
