import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acquireLock } from '../../../src/embedded/lock'
import { beginningOf } from '../../../src/embedded/process-identity'

const purpose = 'it tests'

describe('a lock', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
    path = join(folder, 'lock')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const holdAs = (pid: number, beginning: string): void =>
    writeFileSync(path, JSON.stringify({ pid, beginning, purpose: 'it runs' }))

  it('refuses a second holder with the pid and purpose of the first', async () => {
    const lock = await acquireLock(path, { purpose })
    await expect(acquireLock(path, { purpose: 'it comes late' })).rejects.toMatchObject({
      code: 'instance_running',
      message: expect.stringMatching(new RegExp(`^Process ${process.pid} holds .*: it tests\\.`)),
      details: { pid: process.pid },
    })
    lock.release()
    ;(await acquireLock(path, { purpose })).release()
    expect(readdirSync(folder)).toEqual([])
  })

  it('is free when its holder no longer runs', async () => {
    holdAs(4_000_000, 'long ago')
    ;(await acquireLock(path, { purpose })).release()
  })

  it('is free when another process got the pid of its holder', async () => {
    holdAs(process.pid, 'before this process began')
    ;(await acquireLock(path, { purpose })).release()
  })

  it('is free when its file was cut short', async () => {
    writeFileSync(path, '{"pid":')
    ;(await acquireLock(path, { purpose })).release()
  })

  it('stays with a live holder that is not this process', async () => {
    holdAs(process.ppid, beginningOf(process.ppid) ?? '')
    await expect(acquireLock(path, { purpose })).rejects.toMatchObject({ details: { pid: process.ppid } })
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.ppid })
  })

  it('is waited for when asked to, and the wait is told once', async () => {
    const first = await acquireLock(path, { purpose })
    const waits: number[] = []
    const second = acquireLock(path, {
      purpose,
      waitMs: 60_000,
      onWait(holder) {
        waits.push(holder.pid)
        first.release()
      },
    })
    ;(await second).release()
    expect(waits).toEqual([process.pid])
  })

  it('goes to one of many that want it at once, over the file of a dead holder', async () => {
    holdAs(4_000_000, 'long ago')
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(path, { purpose })))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})
