import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ReleaseView } from '../../src/api/release-commands'
import { runCli } from '../../src/cli/main'
import type { Happening } from '../../src/cli/release-timeline'
import { childEnvironment } from '../../src/config'
import type { CommandName } from '../../src/domain/release'
import { projectRoot } from '../../src/embedded/files'
import { SluiceError } from '../../src/errors'
import type { ReleaseRecord } from '../../src/store/releases'
import { releaseWorkflowId } from '../../workflows/workflow-ids'
import type { DemoGround } from './ground'
import type { Say } from './say'
import { Teller } from './teller'
import { workspace } from './transcripts'
import { commandText } from './wording'

/** What one CLI command said and how it ended. */
export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A release that was started and is followed. */
export interface Followed {
  readonly id: string
  /** The record once it is closed. */
  readonly ended: Promise<ReleaseRecord>
}

const run = promisify(execFile)
const signalMs = 30_000
const pollMs = 200
const maxPolls = 600

/** The release manager: everything is done by the CLI, or by the `temporal` program where it says so. */
export class Manager {
  private readonly ground: DemoGround
  private readonly say: Say
  private readonly environment: Readonly<Record<string, string>>

  constructor(ground: DemoGround, say: Say) {
    this.ground = ground
    this.say = say
    this.environment = { SLUICE_URL: ground.product.apiUrl, SLUICE_API_KEY: ground.product.adminKey }
  }

  /** Runs a command; `onLine` takes its standard output as it comes. */
  async sluice(args: readonly string[], onLine: (line: string) => void = () => undefined): Promise<Said> {
    let out = ''
    let err = ''
    let told = 0
    const code = await runCli(args, {
      environment: this.environment,
      directory: projectRoot(),
      output: {
        out: (text) => {
          out += text
          for (let end = out.indexOf('\n', told); end >= 0; end = out.indexOf('\n', told)) {
            onLine(out.slice(told, end))
            told = end + 1
          }
        },
        err: (text) => {
          err += text
        },
      },
    })
    return { code, out, err }
  }

  /** A command that must succeed; told to the reader as it was typed. */
  async do(...args: readonly string[]): Promise<Said> {
    this.say.event('$', commandText('sluice', args))
    const said = await this.sluice(args)
    if (said.code !== 0) throw failed(args, said)
    return said
  }

  async ask<T>(...args: readonly string[]): Promise<T> {
    const said = await this.sluice([...args, '--json'])
    if (said.code !== 0) throw failed(args, said)
    return JSON.parse(said.out) as T
  }

  /** Starts a release of the workspace and tells its timeline; resolves once it is started. */
  async release(file: string, ...options: readonly string[]): Promise<Followed> {
    const args = ['release', 'start', `${workspace}/releases/${file}.yaml`, ...options]
    this.say.event('$', commandText('sluice', args))
    let started: (id: string) => void = () => undefined
    const id = new Promise<string>((resolve) => {
      started = resolve
    })
    const teller = new Teller(this.say)
    let ended: ReleaseRecord | undefined
    const done = this.sluice([...args, '--watch', '--json'], (line) => {
      const value = JSON.parse(line) as { id?: string; record?: ReleaseRecord } & Partial<Happening>
      if (value.record !== undefined) ended = value.record
      else if (value.text !== undefined) teller.tell(value as Happening)
      else if (value.id !== undefined) started(value.id)
    }).then((said) => {
      if (ended === undefined) throw failed(args, said)
      return ended
    })
    done.catch(() => undefined)
    return { id: await Promise.race([id, done.then((record) => record.id)]), ended: done }
  }

  /** A signal by the `temporal` program, as an operator without Sluice's CLI would send it. */
  async signal(task: string, name: CommandName, input: Readonly<Record<string, string>>): Promise<void> {
    const { temporalAddress, namespace } = this.ground.servers
    const shown = ['workflow', 'signal', '--workflow-id', releaseWorkflowId(task), '--name', name]
    const payload = ['--input', JSON.stringify(input)]
    this.say.event('$', commandText('temporal', [...shown, ...payload]))
    const place = ['--address', temporalAddress, '--namespace', namespace]
    await run(this.ground.temporal, [...shown, ...payload, ...place], {
      timeout: signalMs,
      env: childEnvironment({ TEMPORAL_ADDRESS: undefined, TEMPORAL_NAMESPACE: undefined }),
    })
  }

  /** Waits until the release is as wanted, by what `sluice release show` sees. */
  async until(id: string, what: string, fact: (view: ReleaseView) => boolean): Promise<ReleaseView> {
    for (let poll = 0; poll < maxPolls; poll++) {
      const view = await this.ask<ReleaseView>('release', 'show', id)
      if (fact(view)) return view
      await pause(pollMs)
    }
    throw new SluiceError('internal', `The release ${id} did not come to this in time: ${what}.`)
  }

  /** The page of a run in the Temporal UI; undefined where the UI's address is not known. */
  uiOf(task: string, runId: string): string | undefined {
    const { temporalUiUrl, namespace } = this.ground.servers
    if (temporalUiUrl === undefined) return undefined
    const workflow = encodeURIComponent(releaseWorkflowId(task))
    return `${temporalUiUrl}/namespaces/${namespace}/workflows/${workflow}/${runId}`
  }

  get notesFolder(): string {
    return join(this.ground.folder, 'notes')
  }
}

const failed = (args: readonly string[], { code, out, err }: Said): SluiceError =>
  new SluiceError('internal', `${commandText('sluice', args)} ended with ${code}: ${err || out}`)
