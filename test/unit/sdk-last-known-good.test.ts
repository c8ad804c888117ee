import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Snapshot } from '../../src/domain/snapshot'
import { LastKnownGood } from '../../src/sdk/last-known-good'

const environment = 'production'
const url = 'https://sluice.example'
const changes = 200

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-known-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const plain = (version: number): Snapshot => ({
  ...{ specVersion: 1, environment, version: `sha256:${version}`, leadMs: 2_000 },
  ...{ lanes: {}, tenants: {}, composites: {} },
})

/** A snapshot that tells when it is written out. */
const telling = (version: number, written: (version: number) => void): Snapshot =>
  Object.assign(plain(version), {
    toJSON() {
      written(version)
      return plain(version)
    },
  })

it('writes one snapshot at a time, and of those that wait the newest only', async () => {
  const disk = new LastKnownGood(directory, environment, url)
  const written: number[] = []
  const all = Array.from({ length: changes }, (_, index) => {
    return disk.write({ snapshot: telling(index, (version) => written.push(version)), confirmedAt: index })
  })
  await Promise.all(all)
  expect(written).toEqual([0, changes - 1])
  expect(await disk.read()).toEqual({ snapshot: plain(changes - 1), confirmedAt: changes - 1 })
  expect(await readdir(directory)).toEqual([expect.stringMatching(/^sluice-production-[0-9a-f]{12}\.snapshot$/)])
})

it('writes the newest also where one before it could not be written', async () => {
  const disk = new LastKnownGood(directory, environment, url)
  const fail = () => {
    throw new Error('the disk is full')
  }
  const first = disk.write({ snapshot: telling(0, fail), confirmedAt: 0 })
  const second = disk.write({ snapshot: plain(1), confirmedAt: 1 })
  await Promise.all([first, second])
  expect(await disk.read()).toEqual({ snapshot: plain(1), confirmedAt: 1 })
  await expect(disk.write({ snapshot: telling(2, fail), confirmedAt: 2 })).rejects.toThrow('the disk is full')
  expect(await disk.read()).toEqual({ snapshot: plain(1), confirmedAt: 1 })
})

it('sweeps away what dead processes left half written, and nothing that may still be under way', async () => {
  const disk = () => new LastKnownGood(directory, environment, url)
  await disk().write({ snapshot: plain(1), confirmedAt: 1 })
  const [name = ''] = await readdir(directory)
  const left = { dead: `${name}.dead`, writing: `${name}.writing`, other: 'sluice-staging-000000000000.snapshot.dead' }
  const longAgo = new Date(Date.now() - 2 * 3_600_000)
  for (const file of Object.values(left)) await writeFile(join(directory, file), 'half of')
  for (const file of [name, left.dead, left.other]) await utimes(join(directory, file), longAgo, longAgo)
  await disk().write({ snapshot: plain(2), confirmedAt: 2 })
  expect(new Set(await readdir(directory))).toEqual(new Set([name, left.writing, left.other]))
})

it('keeps the files of two servers and two environments apart, however the address ends', async () => {
  const of = (name: string, at: string) => new LastKnownGood(directory, name, at)
  await of(environment, url).write({ snapshot: plain(1), confirmedAt: 1 })
  expect(await of(environment, 'https://other.example').read()).toBeUndefined()
  expect(await of('staging', url).read()).toBeUndefined()
  expect(await of(environment, `${url}/`).read()).toEqual({ snapshot: plain(1), confirmedAt: 1 })
})
