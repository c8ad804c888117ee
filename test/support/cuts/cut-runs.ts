import type { Database } from '../../../src/store/database'
import { type Store, type StoreOptions, storeOn } from '../../../src/store/store'
import { cutDatabase } from './cut-database'
import { type Apart, type Compared, differing, WatchedDatabase } from './database-image'

/** One mutation, as it is run on a store of its own each time: a process that just started. */
export interface Mutation {
  readonly name: string
  /** What a cut may leave behind: collection → why nobody is misled by it. Everything else is all or nothing. */
  readonly mayStay?: Readonly<Record<string, string>>
  /** `collection.field` → why it is not compared. */
  readonly apart?: Apart
  /** Two answers to the same call must be equal; `close` ends what the process still does. */
  run(store: Store): Promise<{ readonly answer: string; readonly close?: () => Promise<unknown> }>
  /** Waits for what goes on in the background of the process, so that an uncut run has an end. */
  settled?(store: Store): Promise<void>
  /** Undoes what a run did outside of the database. */
  undo?(): Promise<void>
  /** Lets time pass after a death: leases that the dead process held run out. */
  wait?(database: Database): Promise<void>
}

export interface CutReport {
  /** Cuts that were made. */
  readonly cuts: number
  /** What is wrong, a line each. */
  readonly faults: readonly string[]
  /** Of the uncut run. */
  readonly answer: string
  /** Collections that the uncut run changed. */
  readonly changed: readonly string[]
}

/** More writes than any mutation makes in these tests: a run that never ends is told from a long one. */
const maxPoints = 200

/** Cuts a mutation at every point, and runs it again after each. */
export async function cutEverywhere(real: Database, options: StoreOptions, mutation: Mutation): Promise<CutReport> {
  const watched = await WatchedDatabase.of(real, mutation.apart)
  try {
    return await cutWatched(watched, new Trial(real, options, mutation, watched), mutation)
  } finally {
    watched.end()
  }
}

async function cutWatched(watched: WatchedDatabase, trial: Trial, mutation: Mutation): Promise<CutReport> {
  const { start } = watched
  const answered = await trial.answers()
  const whole = await trial.run()
  const faults = [...whole.faults]
  const after = await watched.now()
  const again = await trial.run()
  const repeated = differing(await watched.now(), after)
  if (repeated.length > 0) faults.push(`run again after its answer was lost, it changes ${repeated.join(', ')}`)
  if (again.answer !== whole.answer) faults.push(`run again after its answer was lost, it answers ${again.answer}`)
  let cuts = 0
  for (; cuts < maxPoints; cuts += 1) {
    await trial.reset()
    const cut = await trial.run(cuts)
    if (!cut.died) break
    faults.push(...cut.faults, ...left(await watched.now(), { start, after, mutation, cuts }))
    await trial.wait()
    // Where its answer is kept, the call was over and death met what went on behind it: a repetition drives nothing.
    const over = (await trial.answers()) > answered
    const second = await trial.run(undefined, { drives: !over })
    const all = differing(await watched.now(), after)
    const rest = over ? all.filter((name) => mutation.mayStay?.[name] === undefined) : all
    if (rest.length > 0) faults.push(`cut ${cuts}: run again, ${rest.join(', ')} end otherwise than without the cut`)
    if (second.answer !== whole.answer) {
      faults.push(`cut ${cuts}: run again, it answers ${second.answer}, and ${whole.answer} without the cut`)
    }
  }
  if (cuts === maxPoints) faults.push(`it still writes after ${maxPoints} points`)
  await trial.reset()
  return { cuts, faults, answer: whole.answer, changed: differing(start, after) }
}

/** All or nothing, but for what may stay. */
function left(
  middle: Compared,
  { start, after, mutation, cuts }: { start: Compared; after: Compared; mutation: Mutation; cuts: number },
): readonly string[] {
  const fromStart = differing(middle, start)
  const visible = (names: readonly string[]) => names.filter((name) => mutation.mayStay?.[name] === undefined)
  if (visible(fromStart).length === 0 || visible(differing(middle, after)).length === 0) return []
  return [`cut ${cuts}: half of it is left in ${visible(fromStart).join(', ')}`]
}

interface Run {
  readonly answer: string
  readonly died: boolean
  readonly faults: readonly string[]
}

class Trial {
  private readonly real: Database
  private readonly options: StoreOptions
  private readonly mutation: Mutation
  private readonly watched: WatchedDatabase

  constructor(real: Database, options: StoreOptions, mutation: Mutation, watched: WatchedDatabase) {
    this.real = real
    this.options = options
    this.mutation = mutation
    this.watched = watched
  }

  async reset(): Promise<void> {
    await this.mutation.undo?.()
    await this.watched.reset()
  }

  /** Lets time pass after a death. */
  async wait(): Promise<void> {
    await this.mutation.wait?.(this.real)
  }

  /** Calls whose answer is kept. */
  answers = (): Promise<number> => this.real.collection('idempotency').countDocuments({ answer: { $exists: true } })

  async run(dieAt?: number, { drives = true } = {}): Promise<Run> {
    const cut = cutDatabase(this.real, dieAt)
    const store = storeOn(cut.database, this.options)
    try {
      const run = await this.mutation.run(store).catch((error: unknown) => {
        if (!cut.isDead()) throw error
      })
      // What goes on in the background after the answer is no part of the call.
      const died = cut.isDead()
      if (dieAt === undefined && drives) await this.mutation.settled?.(store)
      await run?.close?.()
      const faults = cut.strays.map((name) => `${name} was written past the harness`)
      return { answer: run?.answer ?? 'none', died, faults }
    } finally {
      cut.end()
    }
  }
}
