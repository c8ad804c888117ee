import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beginningOf } from '../../../src/embedded/process-identity'
import { type Supervised, supervise } from '../../../src/embedded/supervised'
import type { SluiceError } from '../../../src/errors'

/** Says that it is ready, then lives until it is told to stop, which it notes in a file. */
const wellBehaved = `
const { writeFileSync } = require('node:fs')
process.on('SIGTERM', () => { writeFileSync(process.argv[2] + '/stopped', ''); process.exit(0) })
setInterval(() => {}, 1000)
console.log('some other line')
console.log(JSON.stringify({ ready: true, secret: process.env.SLUICE_TRIAL }))
`
const neverReady = `console.error('the port is taken'); process.exit(7)`
/** Comes up once, and never again. */
const onceOnly = `
const { existsSync, writeFileSync } = require('node:fs')
const mark = process.argv[2] + '/mark'
if (existsSync(mark)) process.exit(3)
writeFileSync(mark, '')
console.log('{"ready":true}')
setTimeout(() => process.exit(5), 10)
`

describe('a supervised process', () => {
  let folder: string
  let supervised: Supervised | undefined
  const lines: string[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-supervised-'))
    lines.length = 0
    supervised = undefined
  })
  afterEach(async () => {
    await supervised?.stop()
    rmSync(folder, { recursive: true })
  })

  const start = async (source: string, onGivenUp: (error: SluiceError) => void = () => undefined) => {
    const script = join(folder, 'program.js')
    writeFileSync(script, source)
    supervised = await supervise({
      spec: {
        name: 'program',
        command: process.execPath,
        args: [script, folder],
        folder,
        marker: folder,
        environment: { SLUICE_TRIAL: 'handed over' },
      },
      keepRunning: true,
      pausesMs: [1, 2, 3],
      onGivenUp,
      onLine: (line) => lines.push(line),
    })
    return supervised
  }

  const anotherThan = async (pid: number, of: Supervised): Promise<number> => {
    while (of.process.pid === pid) await new Promise((resolve) => setImmediate(resolve))
    return of.process.pid
  }

  it('is ready when it says so, gets its environment, and is stopped by SIGTERM', async () => {
    const program = await start(wellBehaved)
    expect(beginningOf(program.process.pid)).toBeDefined()
    await program.stop()
    expect(readFileSync(join(folder, 'stopped'), 'utf8')).toBe('')
    expect(beginningOf(program.process.pid)).toBeUndefined()
    expect(readFileSync(program.process.log, 'utf8')).toContain('"secret":"handed over"')
    expect(lines).toEqual([])
  })

  it('is started again after a crash, and the crash is told', async () => {
    const program = await start(wellBehaved)
    const { pid } = program.process
    process.kill(pid, 'SIGKILL')
    expect(beginningOf(await anotherThan(pid, program))).toBeDefined()
    expect(beginningOf(pid)).toBeUndefined()
    expect(lines).toEqual(['program: it ended with code 137; starting it again in 1 ms'])
  })

  it('stays down after kill until it is started again', async () => {
    const program = await start(wellBehaved)
    const { pid } = program.process
    await program.kill()
    expect(beginningOf(pid)).toBeUndefined()
    expect(program.process.running()).toBe(false)
    await program.restart()
    expect(program.process.pid).not.toBe(pid)
    expect(program.process.running()).toBe(true)
    expect(lines).toEqual([])
  })

  it('fails with the end of its log when it ends before it is ready', async () => {
    await (await start(wellBehaved)).stop()
    await expect(start(neverReady)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^The program ended with code 7 at its start\. The end of \S+:\nthe port is taken$/,
      ),
    })
  })

  it('is given up when it never comes up again', async () => {
    const given = await new Promise<SluiceError>((resolve) => {
      void start(onceOnly, resolve)
    })
    expect(given.message).toMatch(/^The program ended 3 times in a row and is given up\./)
    expect(lines).toHaveLength(3)
  })
})
