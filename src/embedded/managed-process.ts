import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { childEnvironment, type Environment } from '../config'
import { SluiceError } from '../errors'
import { readJson, runHeading, tailOf, writeAtomically } from './files'
import { beginningOf, commandLineOf } from './process-identity'

export interface ProcessSpec {
  /** Names its log and pid files. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Holds `logs/` and `pids/`. */
  readonly folder: string
  /** A part of the command line that no other process has, such as its data folder. */
  readonly marker: string
  readonly environment?: Environment
  /** Takes standard output line by line; it also goes to the log. */
  readonly onLine?: (line: string) => void
}

export interface ManagedProcess {
  readonly name: string
  /** Of the program itself, so that a test may kill it. */
  readonly pid: number
  readonly log: string
  /** Resolves with the exit code, 128 + number for a signal. */
  readonly exited: Promise<number>
  readonly running: () => boolean
  signal(signal: NodeJS.Signals): void
  /** SIGTERM, then SIGKILL when the grace is over. Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>
}

/**
 * The program runs below a small shell that waits on a pipe from this process: when this process dies in whatever way
 * the pipe closes and the shell ends the program, so nothing is left running. Its own process group keeps a Ctrl-C of
 * the terminal away, so that servers are stopped in order.
 */
const keeper = `
exec 4<&0
"$@" </dev/null 3>&- 4<&- &
program=$!
echo "$program" >&3
exec 3>&-
(
  read -r _ <&4
  kill -TERM "$program" 2>/dev/null
  waited=0
  while [ "$waited" -lt 100 ] && kill -0 "$program" 2>/dev/null; do sleep 0.1; waited=$((waited + 1)); done
  kill -KILL "$program" 2>/dev/null
) >/dev/null 2>&1 &
watcher=$!
exec 4<&-
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`

const defaultGraceMs = 15_000
const logBytes = 16 * 1024 * 1024

export async function startProcess(spec: ProcessSpec): Promise<ManagedProcess> {
  mkdirSync(join(spec.folder, 'logs'), { recursive: true })
  mkdirSync(join(spec.folder, 'pids'), { recursive: true })
  const log = join(spec.folder, 'logs', `${spec.name}.log`)
  turnOver(log)
  const output = openSync(log, 'a')
  writeSync(output, runHeading(new Date()))
  const child = spawn('/bin/sh', ['-c', keeper, 'keeper', spec.command, ...spec.args], {
    stdio: ['pipe', spec.onLine === undefined ? output : 'pipe', output, 'pipe'],
    env: childEnvironment(spec.environment ?? {}),
    detached: true,
  })
  const exited = new Promise<number>((resolve) => {
    child.once('error', () => resolve(127))
    child.once('exit', (code) => resolve(code ?? 1))
  })
  const lines = teeLines(child, output, spec.onLine)
  const pid = await programPid(child, exited)
  if (pid === undefined)
    throw new SluiceError('internal', `${spec.command} could not be started.`, { log: tailOf(log) })
  const record = recordPath(spec.folder, spec.name)
  writeAtomically(record, JSON.stringify({ pid, beginning: beginningOf(pid) ?? '', marker: spec.marker }))
  let gone = false
  const ended = exited.then(async (code) => {
    gone = true
    rmSync(record, { force: true })
    await lines
    closeSync(output)
    return code
  })
  const signal = (name: NodeJS.Signals): void => {
    if (!gone) signalPid(pid, name)
  }
  return {
    name: spec.name,
    pid,
    log,
    exited: ended,
    running: () => !gone,
    signal,
    async stop(graceMs = defaultGraceMs) {
      signal('SIGTERM')
      const timer = setTimeout(() => signal('SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}

function turnOver(log: string): void {
  const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0
  if (size > logBytes) renameSync(log, `${log}.previous`)
}

/** Resolves when standard output is closed. */
async function teeLines(child: ChildProcess, output: number, onLine?: (line: string) => void): Promise<void> {
  if (onLine === undefined || child.stdout === null) return
  for await (const line of createInterface({ input: child.stdout })) {
    writeSync(output, `${line}\n`)
    onLine(line)
  }
}

async function programPid(child: ChildProcess, exited: Promise<number>): Promise<number | undefined> {
  const channel = child.stdio[3] as Readable
  const told = new Promise<number | undefined>((resolve) => {
    channel.once('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim()) || undefined))
    channel.once('error', () => resolve(undefined))
  })
  return Promise.race([told, exited.then(() => undefined)])
}

function recordPath(folder: string, name: string): string {
  return join(folder, 'pids', `${name}.json`)
}

function signalPid(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const pollMs = 50

/**
 * Ends what a run that died left behind: only a process with the recorded pid, the recorded beginning and the marker in
 * its command line is ours. Call it under the folder's lock.
 */
export async function endLeftover(folder: string, name: string, graceMs = defaultGraceMs): Promise<void> {
  const record = readJson(recordPath(folder, name)) as { pid?: number; beginning?: string; marker?: string } | undefined
  const { pid, beginning, marker } = record ?? {}
  if (pid === undefined || !marker) return
  const isOurs = (): boolean => beginningOf(pid) === beginning && commandLineOf(pid)?.includes(marker) === true
  if (isOurs()) signalPid(pid, 'SIGTERM')
  for (let waited = 0; waited < graceMs && isOurs(); waited += pollMs) await pause(pollMs)
  if (isOurs()) signalPid(pid, 'SIGKILL')
  for (let waited = 0; waited < graceMs && isOurs(); waited += pollMs) await pause(pollMs)
  rmSync(recordPath(folder, name), { force: true })
}
