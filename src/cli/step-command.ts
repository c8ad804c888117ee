import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { bareEnvironment } from '../config'
import type { DatasetStep } from '../domain/contents'
import { SluiceError } from '../errors'

/** The files that a step's command reads and writes, by what its arguments call them. */
export interface StepFiles {
  readonly code: string
  /** Of each input by its name. */
  readonly inputs: Readonly<Record<string, string>>
  /** What the step before made; absent for the first one. */
  readonly previous?: string
  readonly parameters: string
  readonly output: string
}

const place = /\{(code|output|parameters|previous|seed|inputs\.[^{}]+)\}/g

/** The command with files for its places: `{code}`, `{inputs.<name>}`, `{previous}`, `{parameters}`, `{seed}`, `{output}`. */
export function commandOf(step: DatasetStep, files: StepFiles): readonly string[] {
  const values: Readonly<Record<string, string | undefined>> = {
    code: files.code,
    output: files.output,
    parameters: files.parameters,
    previous: files.previous,
    seed: step.seed?.toString(),
    ...Object.fromEntries(Object.entries(files.inputs).map(([name, path]) => [`inputs.${name}`, path])),
  }
  return step.command.map((argument) =>
    argument.replace(place, (whole, name: string) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined
      if (value !== undefined) return value
      throw new SluiceError('invalid_content', `The command names ${whole}, which this step does not have.`)
    }),
  )
}

export interface CommandRun {
  readonly directory: string
  readonly timeoutMs: number
  /** Hears what the command says on both streams. */
  readonly say: (line: string) => void
}

/** Runs program and arguments, without a shell. Throws `step_failed` where it ends as anything but 0. */
export async function runCommand(command: readonly string[], run: CommandRun): Promise<void> {
  const [program = '', ...rest] = command
  const child = spawn(program, rest, {
    cwd: run.directory,
    env: bareEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: run.timeoutMs,
    killSignal: 'SIGKILL',
  })
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', run.say)
  const ended = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${signal ?? code}`))
  })
  if (ended !== '') throw new SluiceError('step_failed', `${program}: ${ended}.`, { command })
}
