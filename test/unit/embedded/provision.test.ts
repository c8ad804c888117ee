import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../../../src/embedded/command'
import { isAtLeast, provision, type Source, type Tool } from '../../../src/embedded/provision'

/** A source that writes a program printing `text`. */
const printing = (name: string, text: string, calls: string[] = []): Source => ({
  name,
  async fetch(folder) {
    calls.push(name)
    writeFileSync(join(folder, 'program'), `#!/bin/sh\necho ${text}\n`, { mode: 0o755 })
    return 'program'
  },
})

const failing = (name: string, reason: string): Source => ({
  name,
  async fetch(folder) {
    writeFileSync(join(folder, 'half'), 'a part')
    throw new Error(reason)
  },
})

async function check(path: string): Promise<string> {
  const output = (await runCommand(path, [], { timeoutMs: 10_000 })).trim()
  if (output === 'broken') throw new Error('it is broken')
  return output
}

describe('provisioning', () => {
  let cacheFolder: string
  const lines: string[] = []
  beforeEach(() => {
    cacheFolder = mkdtempSync(join(tmpdir(), 'sluice-cache-'))
    lines.length = 0
  })
  afterEach(() => rmSync(cacheFolder, { recursive: true }))

  const shelf = (): string => join(cacheFolder, `${process.platform}-${process.arch}`)
  const tool = (sources: readonly Source[], system?: () => Promise<string>): Tool => ({
    title: 'Thing',
    name: 'thing',
    sources,
    check,
    install: 'install Thing by hand.',
    ...(system === undefined ? {} : { system }),
  })
  const have = (wanted: Tool) => provision(wanted, { cacheFolder, progress: (line) => lines.push(line) })

  it('takes the first source that works, says what it tries, and the cache the next time', async () => {
    const calls: string[] = []
    const sources = [failing('the official download', 'no network'), printing('a build', 'one', calls)]
    expect(await have(tool(sources))).toMatchObject({ source: 'a build', version: 'one' })
    expect(lines).toEqual([
      'Thing: trying the official download',
      'Thing: not from the official download: no network',
      'Thing: trying a build',
      'Thing: one, from a build',
    ])
    expect(await have(tool(sources))).toMatchObject({ source: 'a build', version: 'one' })
    expect(calls).toEqual(['a build'])
    expect(readdirSync(shelf())).toEqual(['thing'])
  })

  it('prefers a program of the machine to a download, and tells why it does not take an unfit one', async () => {
    const calls: string[] = []
    const system = join(cacheFolder, 'system')
    writeFileSync(system, '#!/bin/sh\necho theirs\n', { mode: 0o755 })
    const wanted = tool([printing('a download', 'ours', calls)], async () => system)
    expect(await have(wanted)).toMatchObject({ path: system, source: 'this machine', version: 'theirs' })
    writeFileSync(system, '#!/bin/sh\necho broken\n')
    expect(await have(wanted)).toMatchObject({ source: 'a download' })
    expect(calls).toEqual(['a download'])
  })

  it('fetches again what was altered or cut short in the cache', async () => {
    const calls: string[] = []
    const wanted = tool([printing('a download', 'ours', calls)])
    const { path } = await have(wanted)
    writeFileSync(path, '#!/bin/sh\necho altered\n')
    expect(await have(wanted)).toMatchObject({ version: 'ours' })
    rmSync(path)
    expect(await have(wanted)).toMatchObject({ version: 'ours' })
    expect(calls).toHaveLength(3)
  })

  it('never trusts an entry without a manifest', async () => {
    const { path } = await have(tool([printing('a download', 'ours')]))
    rmSync(join(shelf(), 'thing', 'manifest.json'))
    writeFileSync(path, '#!/bin/sh\necho planted\n')
    chmodSync(path, 0o755)
    expect(await have(tool([printing('a download', 'ours')]))).toMatchObject({ version: 'ours' })
  })

  it('goes on to the next source when a fetched program does not run', async () => {
    const sources = [printing('a download', 'broken'), printing('a build', 'ours')]
    expect(await have(tool(sources))).toMatchObject({ source: 'a build' })
  })

  it('says everything it tried, why it failed, and what to install', async () => {
    const sources = [failing('the official download', 'no network'), failing('a build', 'no compiler')]
    const wanted = tool(sources, async () => {
      throw new Error('thing is not on PATH')
    })
    await expect(have(wanted)).rejects.toMatchObject({
      code: 'provision_failed',
      message: [
        'Thing cannot be had. Tried:',
        '  - this machine: thing is not on PATH',
        '  - the official download: no network',
        '  - a build: no compiler',
        'What to do: install Thing by hand.',
      ].join('\n'),
    })
    expect(existsSync(join(shelf(), 'thing'))).toBe(false)
    expect(readdirSync(shelf())).toEqual([])
  })

  it('fetches once for two that want it at the same time', async () => {
    const calls: string[] = []
    const wanted = tool([printing('a download', 'ours', calls)])
    const holders = await Promise.all([have(wanted), have(wanted)])
    expect(holders.map(({ version }) => version)).toEqual(['ours', 'ours'])
    expect(calls).toHaveLength(1)
  })
})

describe('a version', () => {
  it.each([
    ['6.0.5', true],
    ['6.0.0', true],
    ['10.1.0', true],
    ['5.9.9', false],
    ['7.0.0-rc1', true],
  ])('%s is at least 6.0: %s', (version, fits) => {
    expect(isAtLeast(version, '6.0')).toBe(fits)
  })

  it('compares minors as numbers', () => {
    expect([isAtLeast('1.29.1', '1.29'), isAtLeast('1.9.0', '1.29'), isAtLeast('1.130.0', '1.29')]).toEqual([
      true,
      false,
      true,
    ])
  })
})
