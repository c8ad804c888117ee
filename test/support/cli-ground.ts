import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildServer } from '../../src/api/server'
import { runCli } from '../../src/cli/main'
import type { LaneState } from '../../src/domain/lane'
import type { CliRun } from './api'
import { groundAddress } from './ground'
import { liftAll } from './lift'
import { type ReleaseGround, releaseGround } from './release-ground'

/** A release ground with the API before it and people at terminals of their own. */
export interface CliGround extends ReleaseGround {
  readonly url: string
  /** Of `ann`; for applications too. */
  readonly key: string
  /** Runs one command line as ann does. */
  sluice(...args: readonly string[]): Promise<CliRun>
  /** The same as ben, who approves. */
  asBen(...args: readonly string[]): Promise<CliRun>
  /** With other settings, such as the address of a server that is down. */
  sluiceWith(change: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<CliRun>
  /** The parsed answer of a command that ends with 0. */
  json<T>(...args: readonly string[]): Promise<T>
  /** Writes a file of `releases/` for the task of this ground; answers its path. */
  releaseFile(prompt: string, policy?: string): string
  /** A file with any text; answers its path. */
  file(name: string, text: string): string
  lane(environment?: string): Promise<LaneState>
  /** Lifts holds and vetoes in both lanes. */
  lift(): Promise<void>
}

export async function cliGround(): Promise<CliGround> {
  const ground = await releaseGround()
  const { store, orchestrator, endpoints, task } = ground
  const app = buildServer({ store, orchestrator, endpoints })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  const key = await store.keys.create('ann', 'admin')
  const benKey = await store.keys.create('ben', 'admin')
  const settings = {
    SLUICE_URL: url,
    SLUICE_FOLDER: join(folder, '.sluice'),
    SLUICE_DATABASE: store.database.db.databaseName,
    MONGODB_URI: groundAddress('MONGODB_URI'),
    TEMPORAL_ADDRESS: groundAddress('TEMPORAL_ADDRESS'),
  }
  const run = (change: Readonly<Record<string, string>>, args: readonly string[]) =>
    runIn(folder, { ...settings, SLUICE_API_KEY: key, ...change }, args)
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  return {
    ...ground,
    url,
    key,
    file,
    sluice: (...args) => run({}, args),
    asBen: (...args) => run({ SLUICE_API_KEY: benKey }, args),
    sluiceWith: (change, ...args) => run(change, args),
    async json(...args) {
      const { code, out, err } = await run({}, [...args, '--json'])
      if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${err}`)
      return JSON.parse(out)
    },
    releaseFile: (prompt, policy = 'quick@1.0.0') =>
      file(`${prompt}.yaml`, `task: ${task}\nchange: { prompt: csat@${prompt} }\nwhy: try it\npolicy: ${policy}\n`),
    lane: (environment = 'production') => store.ledger.lane(environment, task),
    async lift() {
      for (const environment of ['staging', 'production']) await liftAll(store.ledger, environment, task)
    },
    async end() {
      await app.close()
      rmSync(folder, { recursive: true })
      await ground.end()
    },
  }
}

export async function runIn(
  directory: string,
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<CliRun> {
  const out: string[] = []
  const err: string[] = []
  const output = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) }
  const code = await runCli(args, { environment, directory, output })
  return { code, out: out.join(''), err: err.join('') }
}
