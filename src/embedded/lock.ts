import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '../errors'
import { beginningOf } from './process-identity'

export interface Lock {
  readonly path: string
  release(): void
}

export interface LockOptions {
  /** What the holder does, in words that finish "process 123 holds it: …". */
  readonly purpose: string
  /** How long to wait for another holder; 0 refuses at once. */
  readonly waitMs?: number
  /** Called once when waiting begins. */
  readonly onWait?: (holder: Holder) => void
}

export interface Holder {
  readonly pid: number
  readonly beginning: string
  readonly purpose: string
}

const pollMs = 200

/**
 * Takes a lock file. It is free when its holder no longer runs, so a kill -9 leaves nothing to clean by hand.
 * Throws `instance_running` naming the process that holds it.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<Lock> {
  mkdirSync(dirname(path), { recursive: true })
  const polls = Math.ceil((options.waitMs ?? 0) / pollMs)
  for (let poll = 0; ; poll++) {
    const holder = tryToHold(path, options.purpose)
    if (holder === undefined) return { path, release: () => release(path) }
    if (poll >= polls) throw held(path, holder)
    if (poll === 0) options.onWait?.(holder)
    await pause(pollMs)
  }
}

/** The live holder of a lock, if any. */
export function holderOf(path: string): Holder | undefined {
  const holder = readHolder(path)
  return holder !== undefined && beginningOf(holder.pid) === holder.beginning ? holder : undefined
}

const takeovers = 3

/** Absent when this process now holds the lock, else the live holder. */
function tryToHold(path: string, purpose: string): Holder | undefined {
  const mine: Holder = { pid: process.pid, beginning: beginningOf(process.pid) ?? '', purpose }
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(mine))
  try {
    for (let attempt = 0; attempt < takeovers; attempt++) {
      if (linked(draft, path)) return undefined
      const holder = holderOf(path)
      if (holder !== undefined) return holder
      clearStale(path)
    }
    return readHolder(path) ?? mine
  } finally {
    rmSync(draft, { force: true })
  }
}

/** A hard link appears whole or not at all, so nobody ever reads a half-written lock. */
function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Moves a dead holder's file away; if a live one took the lock in between, its file is put back. */
function clearStale(path: string): void {
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    // Another process cleared it first.
    return
  }
  if (holderOf(aside) !== undefined) linked(aside, path)
  rmSync(aside, { force: true })
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

function release(path: string): void {
  if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true })
}

function held(path: string, holder: Holder): SluiceError {
  return new SluiceError(
    'instance_running',
    `Process ${holder.pid} holds ${path}: ${holder.purpose}. Stop it (kill ${holder.pid}) or wait until it has ended.`,
    { pid: holder.pid, lock: path },
  )
}
