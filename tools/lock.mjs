import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const pollMs = 250
const boundMs = 30 * 60_000

/** Waits until no live process holds the lock, takes it, and gives the function that lets go of it. */
export async function waitForLock(path) {
  mkdirSync(dirname(path), { recursive: true })
  for (let waited = 0; waited <= boundMs; waited += pollMs) {
    const holder = tryToHold(path)
    if (holder === undefined) return () => rmSync(path, { force: true })
    if (waited === 0) console.error(`Waiting for process ${holder.pid}, which installs or builds in this checkout.`)
    await pause(pollMs)
  }
  throw new Error(`Another process holds ${path} for half an hour. Stop it, then run this again.`)
}

/** Absent when the lock is taken now, else its live holder. */
function tryToHold(path) {
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify({ pid: process.pid, beginning: beginningOf(process.pid) }))
  try {
    if (linked(draft, path)) return undefined
    const holder = read(path)
    if (isLive(holder)) return holder
    clearStale(path)
    return linked(draft, path) ? undefined : (read(path) ?? { pid: '(unknown)' })
  } finally {
    rmSync(draft, { force: true })
  }
}

/** A hard link appears whole or not at all, so nobody reads a half-written lock. */
function linked(draft, path) {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** Moves a dead holder's file away; if a live one took the lock in between, its file is put back. */
function clearStale(path) {
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (isLive(read(aside))) linked(aside, path)
  rmSync(aside, { force: true })
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function isLive(holder) {
  return holder !== undefined && beginningOf(holder.pid) === holder.beginning
}

/** When a process began: pids are used again. An empty string when there is no such process. */
function beginningOf(pid) {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8' }).trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return ''
  }
}
