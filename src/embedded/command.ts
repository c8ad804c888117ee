import { spawn } from 'node:child_process'
import { childEnvironment, type Environment } from '../config'

export interface CommandOptions {
  /** Bound on the run; the command is killed after it. */
  readonly timeoutMs: number
  readonly cwd?: string
  readonly environment?: Environment
}

const keptOutput = 64 * 1024

/** Runs a program to its end and gives what it printed. Throws an Error whose message is fit for a person. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: childEnvironment(options.environment ?? {}),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    let output = ''
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-keptOutput)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${command} did not end within ${Math.round(options.timeoutMs / 1000)} s`))
    }, options.timeoutMs)
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(error.code === 'ENOENT' ? new Error(`${command} is not on PATH`) : error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(output)
      else reject(new Error(`${command} ended with ${signal ?? `code ${code}`}: ${lastLine(output)}`))
    })
  })
}

function lastLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return (lines.at(-1) ?? 'it printed nothing').trim().slice(0, 300)
}

const lookUpMs = 5000

/** The absolute path of a program on PATH. */
export async function findOnPath(name: string): Promise<string | undefined> {
  try {
    const path = (await runCommand('sh', ['-c', 'command -v -- "$1"', 'sh', name], { timeoutMs: lookUpMs })).trim()
    return path.startsWith('/') ? path : undefined
  } catch {
    // `command -v` fails exactly when there is none.
    return undefined
  }
}
