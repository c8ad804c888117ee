import { spawn } from 'node:child_process'
import { chmod, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Config } from '../config'
import { runCommand } from './command'
import { fetchTemporalProgram } from './download'
import { reservePort } from './ports'
import type { Progress } from './progress'
import { provision, type Source, type Tool } from './provision'

const version = '1.32.1'
const mavenMs = 15 * 60_000
const checkMs = 20_000

const officialDownload: Source = {
  name: 'the official download',
  async fetch(folder, progress) {
    const request = { artifact: 'temporal-test-server', version: 'default' }
    const program = await fetchTemporalProgram(request, folder, progress)
    await chmod(join(folder, program), 0o755)
    return program
  },
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>test-server</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${version}</version>
    </dependency>
  </dependencies>
</project>
`
const copyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

const wrapper = `#!/bin/sh
exec java -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`

const maven: Source = {
  name: `Maven's io.temporal:temporal-test-server:${version}`,
  async fetch(folder) {
    await runCommand('java', ['-version'], { timeoutMs: checkMs })
    await writeFile(join(folder, 'pom.xml'), pom)
    const options = ['-B', '-q', '-ntp', copyPlugin, '-DincludeScope=runtime', '-DoutputDirectory=lib']
    await runCommand('mvn', options, { timeoutMs: mavenMs, cwd: folder })
    await rm(join(folder, 'pom.xml'))
    await writeFile(join(folder, 'temporal-test-server'), wrapper, { mode: 0o755 })
    return 'temporal-test-server'
  },
}

const testServer: Tool = {
  title: 'Temporal test server',
  name: `temporal-test-server-${version}`,
  sources: [officialDownload, maven],
  check: answers,
  install:
    'install Java 11 or later and Maven, then run this again; or set SLUICE_TEST_SERVER to a Temporal test server ' +
    '(https://github.com/temporalio/sdk-java/releases).',
}

/**
 * The path of Temporal's time-skipping test server, for
 * `TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } })`.
 */
export async function provisionTestServer(config: Config, progress: Progress): Promise<string> {
  return config.testServer ?? (await provision(testServer, { cacheFolder: config.cacheFolder, progress })).path
}

const startMs = 60_000
const pollMs = 100

/** It has no `--version`, so it is started once and must listen. */
async function answers(path: string): Promise<string> {
  const reserved = await reservePort(undefined)
  const { port } = reserved
  const child = spawn(path, [`${port}`], { stdio: 'ignore', detached: true })
  let ended = false
  child.once('error', () => (ended = true))
  child.once('exit', () => (ended = true))
  try {
    for (let waited = 0; waited < startMs && !ended; waited += pollMs) {
      if (await listens(port)) return `test server ${version}`
      await pause(pollMs)
    }
    throw new Error(ended ? 'it ends as soon as it starts' : `it does not listen within ${startMs / 1000} s`)
  } finally {
    reserved.release()
    if (!ended && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
