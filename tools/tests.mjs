import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runToEnd } from './process.mjs'

const pollMs = 500
/** After its tests jest stops the servers and ends by itself, unless a test left something open. */
const endMs = 60_000

/** Runs jest and closes with the one line `N passed, N failed`. Gives the exit code: 0 only if tests ran and none failed. */
export async function runTests(root, args) {
  const folder = join(root, '.sluice')
  mkdirSync(folder, { recursive: true })
  const tally = join(folder, `tally-${process.pid}.json`)
  const env = { ...process.env, SLUICE_TALLY: tally }
  const watch = endWhenDone(tally)
  const options = { cwd: root, env, signal: watch.signal, killSignal: 'SIGKILL' }
  const code = await runToEnd(process.execPath, ['node_modules/jest/bin/jest.js', ...args], options)
  watch.stop()
  const { passed, failed, skipped } = readTally(tally)
  rmSync(tally, { force: true })
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  if (code !== 0) return code
  return failed > 0 || passed === 0 ? 1 : 0
}

/** Aborts when jest has told its tally and still runs a minute later. */
function endWhenDone(tally) {
  const controller = new AbortController()
  let doneMs = 0
  const timer = setInterval(() => {
    if (existsSync(tally)) doneMs += pollMs
    if (doneMs < endMs || controller.signal.aborted) return
    console.error('jest does not end after its tests: one of them leaves something open (--detectOpenHandles tells).')
    controller.abort()
  }, pollMs)
  return { signal: controller.signal, stop: () => clearInterval(timer) }
}

/** jest writes none when it ends before its tests: then nothing passed, and the exit code is jest's. */
function readTally(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { passed: 0, failed: 0, skipped: 0 }
}
