import { chmod, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findOnPath, runCommand } from './command'
import { fetchTemporalProgram, probe } from './download'
import { isAtLeast, type Source, type Tool } from './provision'

const version = 'v1.5.1'
const oldestServer = '1.29'
const checkMs = 20_000
const buildMs = 30 * 60_000

const officialDownload: Source = {
  name: 'the official download',
  async fetch(folder, progress) {
    const program = await fetchTemporalProgram({ artifact: 'cli', version }, folder, progress)
    await chmod(join(folder, program), 0o755)
    return program
  },
}

const goModule = `github.com/temporalio/cli/cmd/temporal@${version}`

/** v1.5.1 is the newest that `go install` takes: later ones carry a `replace`, which it refuses. */
const goInstall: Source = {
  name: `go install ${goModule}`,
  async fetch(folder, progress) {
    await runCommand('go', ['version'], { timeoutMs: checkMs })
    const proxy = (await runCommand('go', ['env', 'GOPROXY'], { timeoutMs: checkMs })).trim().split(/[,|]/)[0] ?? ''
    // Where Go would wait for minutes on a module proxy that is away, this says so in seconds.
    if (/^https?:/.test(proxy)) await probe(new URL(proxy).origin)
    progress('building it from source; about four minutes the first time')
    const bin = join(folder, 'bin')
    await runCommand('go', ['install', goModule], { timeoutMs: buildMs, environment: { GOBIN: bin } })
    await rename(join(bin, 'temporal'), join(folder, 'temporal'))
    await rm(bin, { recursive: true })
    return 'temporal'
  },
}

/** The Temporal CLI, whose `server start-dev` is a whole Temporal with its UI on SQLite. */
export const temporalCli: Tool = {
  title: 'Temporal',
  name: `temporal-${version}`,
  async system() {
    const path = await findOnPath('temporal')
    if (path === undefined) throw new Error('temporal is not on PATH')
    return path
  },
  sources: [officialDownload, goInstall],
  async check(path) {
    const output = await runCommand(path, ['--version'], { timeoutMs: checkMs })
    // A CLI built from source calls itself 0.0.0, so what counts is the server inside it.
    const server = /\(Server (\d+\.\d+\.\d+)/.exec(output)?.[1]
    if (server === undefined) throw new Error(`${path} does not tell which server it holds`)
    if (!isAtLeast(server, oldestServer)) throw new Error(`its server is ${server}; ${oldestServer} or later is needed`)
    return `Temporal ${server}`
  },
  install:
    'install the Temporal CLI (https://docs.temporal.io/cli) or Go 1.24 or later, then run this again; ' +
    'or set TEMPORAL_ADDRESS to a running Temporal.',
}
