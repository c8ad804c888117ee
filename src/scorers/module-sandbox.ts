import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Script } from 'node:vm'
import { ScorerFault } from './scorer'

/** A function whose text comes from a suite, run on one sample after the other. */
export interface ModuleSandbox {
  /** What the function gave, as JSON. Throws `ScorerFault` where it threw, took too long or too much memory. */
  run(sample: unknown): Promise<unknown>
  close(): Promise<void>
}

const memoryMb = 64
/** How much later than its own limit of time a silent sandbox is killed. */
const graceMs = 10_000
const maxAnswerCharacters = 1_000_000

/** Globals that would make a score depend on more than the sample, or escape the limit of memory. */
const removedGlobals = [
  ...['Date', 'Intl', 'console', 'WebAssembly', 'WeakRef', 'FinalizationRegistry', 'Promise', 'Atomics', 'DataView'],
  ...['ArrayBuffer', 'SharedArrayBuffer', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array'],
  ...['Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
]

/** What runs in the sandbox: the sample goes in and the result comes out as a text, so no object of the host does. */
const programOf = (source: string): string => `(() => {
'use strict'
const { parse, stringify } = JSON
const sample = parse(sampleText)
for (const name of ${JSON.stringify([...removedGlobals, 'sampleText'])}) delete globalThis[name]
Math.random = () => { throw new Error('Math.random is not there: the same sample gets the same score') }
try {
  return stringify({ result: (
${source}
)(sample) })
} catch (error) {
  return stringify({ fault: String(error) })
}
})()`

/** Why a text is no function expression; undefined where it may be one. It is parsed, not run. */
export function moduleFault(source: string): string | undefined {
  try {
    new Script(`(\n${source}\n)`)
    new Script(programOf(source))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/**
 * The function runs in a process of its own (a hostile allocation ends a worker thread together with its process), in
 * a fresh context of `node:vm` for every sample: nothing is kept from one to the next. The process has an empty
 * environment, a heap of 64 MB, and Node's permission model without files, further processes and threads. That is a
 * fence, not a wall: `node:vm` is no security boundary, and before Node 25 the model does not cover the network, so
 * whoever may register suites is trusted about as much as whoever deploys code.
 */
export function createModuleSandbox(source: string, timeoutMs: number): ModuleSandbox {
  let running: Running | undefined
  let queue: Promise<unknown> = Promise.resolve()
  const runOne = async (sample: unknown): Promise<unknown> => {
    running ??= startSandbox(source, timeoutMs)
    try {
      return readAnswer(await running.ask(JSON.stringify(sample), timeoutMs + graceMs), timeoutMs)
    } catch (error) {
      if (error instanceof SandboxGone) running = undefined
      throw error
    }
  }
  return {
    run(sample) {
      const result = queue.then(() => runOne(sample))
      queue = result.catch(() => undefined)
      return result
    },
    async close() {
      await queue
      running?.stop()
      running = undefined
    },
  }
}

function readAnswer(line: string, timeoutMs: number): unknown {
  const answer = JSON.parse(line) as { readonly result?: unknown; readonly fault?: string; readonly late?: true }
  if (answer.late) throw new ScorerFault(`the function took longer than ${timeoutMs} ms`)
  if (answer.fault !== undefined) throw new ScorerFault(`the function failed: ${answer.fault.slice(0, 500)}`)
  return answer.result
}

class SandboxGone extends ScorerFault {}

interface Running {
  ask(sampleText: string, withinMs: number): Promise<string>
  stop(): void
}

function startSandbox(source: string, timeoutMs: number): Running {
  const child = spawn(process.execPath, [...sandboxFlags(), '-e', `(${sandboxMain.toString()})()`], {
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const { stdin, stdout } = child
  // A sandbox that is gone is told by the end of its output; a write to it may fail before that.
  stdin.on('error', () => undefined)
  const answers = answersOf(child)
  stdin.write(`${JSON.stringify({ program: programOf(source), timeoutMs })}\n`)
  return {
    async ask(sampleText, withinMs) {
      stdin.write(`${sampleText}\n`)
      const watchdog = setTimeout(() => child.kill('SIGKILL'), withinMs)
      try {
        return await answers.next()
      } finally {
        clearTimeout(watchdog)
      }
    },
    stop() {
      stdout.destroy()
      child.kill('SIGKILL')
    },
  }
}

function sandboxFlags(): readonly string[] {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission'
  return [permission, '--no-warnings', '--disallow-code-generation-from-strings', `--max-old-space-size=${memoryMb}`]
}

/** The lines that a sandbox writes, one for each sample. */
function answersOf(child: ChildProcess): { next(): Promise<string> } {
  const lines = createInterface({ input: child.stdout ?? raiseMissing() })
  let waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void } | undefined
  let gone: SandboxGone | undefined
  const end = (): void => {
    gone = new SandboxGone(`the function was ended: it used more than ${memoryMb} MB or did not come to an end`)
    waiting?.reject(gone)
  }
  lines.on('line', (line) => {
    if (line.length > maxAnswerCharacters) child.kill('SIGKILL')
    else waiting?.resolve(line)
  })
  lines.on('close', end)
  child.on('error', end)
  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (gone) reject(gone)
        else waiting = { resolve, reject }
      }),
  }
}

function raiseMissing(): never {
  throw new ScorerFault('the sandbox has no output')
}

/** The sandbox's own program. It is sent there as its text, so it names nothing outside itself. */
function sandboxMain(): void {
  const { createInterface: linesOf } = require('node:readline') as typeof import('node:readline')
  const vm = require('node:vm') as typeof import('node:vm')
  let program: import('node:vm').Script | undefined
  let timeoutMs = 0
  const late = (error: unknown): boolean =>
    typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  const score = (sampleText: string): string => {
    const world: unknown = Object.assign(Object.create(null), { sampleText })
    const context = vm.createContext(world as import('node:vm').Context, {
      codeGeneration: { strings: false, wasm: false },
      microtaskMode: 'afterEvaluate',
    })
    try {
      const answer: unknown = program?.runInContext(context, { timeout: timeoutMs })
      return typeof answer === 'string' ? answer : JSON.stringify({ fault: 'it gave no JSON value' })
    } catch (error) {
      return JSON.stringify(late(error) ? { late: true } : { fault: 'it could not be run' })
    }
  }
  const lines = linesOf({ input: process.stdin })
  lines.on('close', () => process.exit(0))
  lines.on('line', (line) => {
    if (program) {
      process.stdout.write(`${score(line)}\n`)
      return
    }
    const setting = JSON.parse(line) as { program: string; timeoutMs: number }
    program = new vm.Script(setting.program, { filename: 'scorer.js' })
    timeoutMs = setting.timeoutMs
  })
}
