import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertId, bucketOf, murmur3 } from '../../src/domain/bucket'
import type { ResolveRequest } from '../../src/domain/resolve'
import type { Snapshot } from '../../src/domain/snapshot'
import { SluiceError } from '../../src/errors'
import { isPlainId, type PlainAnswer, plainBucket, plainMurmur3, plainResolve } from '../support/plain-resolve'
import { productResolve } from '../support/product-resolve'

interface BucketVectors {
  readonly specVersion: number
  readonly murmur3: readonly { readonly text: string; readonly hash: number }[]
  readonly buckets: readonly {
    readonly salt: string
    readonly tenant: string
    readonly conversation?: string
    readonly bucket: number
  }[]
  readonly ids: readonly { readonly id: string; readonly valid: boolean }[]
}

interface ResolveVectors {
  readonly specVersion: number
  readonly snapshots: Readonly<Record<string, Snapshot>>
  readonly cases: readonly {
    readonly name: string
    readonly rule: number
    readonly snapshot: string
    readonly request: ResolveRequest
    readonly expect: PlainAnswer
  }[]
}

const vectorsOf = <T>(file: string): T => JSON.parse(readFileSync(join(__dirname, file), 'utf8')) as T
const buckets = vectorsOf<BucketVectors>('bucket.json')
const decisions = vectorsOf<ResolveVectors>('resolve.json')

/** Answers all vectors of a file, in their order. */
interface Implementation {
  readonly name: string
  buckets(): readonly unknown[]
  decisions(): readonly unknown[]
}

interface Parts {
  readonly name: string
  readonly murmur3: (text: string) => number
  readonly bucket: (salt: string, tenant: string, conversation?: string) => number
  readonly valid: (id: string) => boolean
  readonly resolve: (snapshot: Snapshot, request: ResolveRequest) => PlainAnswer
}

const typescript = (parts: Parts): Implementation => ({
  name: parts.name,
  buckets: () => [
    ...buckets.murmur3.map(({ text }) => parts.murmur3(text)),
    ...buckets.buckets.map(({ salt, tenant, conversation }) => parts.bucket(salt, tenant, conversation)),
    ...buckets.ids.map(({ id }) => parts.valid(id)),
  ],
  decisions: () =>
    decisions.cases.map(({ snapshot, request }) => parts.resolve(decisions.snapshots[snapshot] as Snapshot, request)),
})

const product = typescript({
  name: 'the product',
  murmur3,
  bucket: bucketOf,
  valid: isValid,
  resolve: productResolve,
})

const plain = typescript({
  name: 'a plain reading of the rules',
  murmur3: plainMurmur3,
  bucket: plainBucket,
  valid: isPlainId,
  resolve: plainResolve,
})

const python: Implementation = {
  name: 'a reading in Python',
  buckets: () => fromPython('bucket.json'),
  decisions: () => fromPython('resolve.json'),
}

function isValid(id: string): boolean {
  try {
    assertId('tenant', id)
    return true
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'invalid_id') return false
    throw error
  }
}

function fromPython(file: string): readonly unknown[] {
  const run = spawnSync('python3', ['-B', 'reference.py', file], { cwd: __dirname, encoding: 'utf8' })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as unknown[]
}

/** Python is no requirement of the product, so its reading joins where the machine has it; CI has to have it. */
const hasPython = spawnSync('python3', ['-c', 'import sys; assert sys.version_info >= (3, 7)']).status === 0
const implementations = [product, plain, ...(hasPython ? [python] : [])]

test(`python3 of 3.7 or later ${hasPython ? 'reads the vectors too' : 'is missing: its reading is LEFT OUT'}`, () => {
  expect({ python: hasPython || process.env.CI !== 'true' ? 'as it should be' : 'missing on CI' }).toEqual({
    python: 'as it should be',
  })
})

describe.each(implementations)('$name', (implementation) => {
  it('gives every hash, bucket and verdict on an id', () => {
    const expected = [
      ...buckets.murmur3.map(({ hash }) => hash),
      ...buckets.buckets.map(({ bucket }) => bucket),
      ...buckets.ids.map(({ valid }) => valid),
    ]
    expect(implementation.buckets()).toEqual(expected)
  })

  it('gives every decision', () => {
    const named = (answers: readonly unknown[]) =>
      decisions.cases.map(({ name, rule }, index) => ({ name: `rule ${rule}: ${name}`, answer: answers[index] }))
    expect(named(implementation.decisions())).toEqual(named(decisions.cases.map((row) => row.expect)))
  })
})

describe('the published vectors', () => {
  it('hold the known answers of murmur3', () => {
    const known = new Map([
      ['', 0],
      ['hello', 0x248bfa47],
      ['hello, world', 0x149bbb7f],
      ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
    ])
    const published = new Map(buckets.murmur3.map(({ text, hash }) => [text, hash]))
    for (const [text, hash] of known) expect([text, published.get(text)]).toEqual([text, hash])
  })

  it('carry their specVersion, and name each case once', () => {
    expect([buckets.specVersion, decisions.specVersion]).toEqual([1, 1])
    const names = decisions.cases.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })

  it('show every rule, reason, arm, skip and refusal', () => {
    const seen = (of: (row: PlainAnswer) => string | undefined) =>
      [...new Set(decisions.cases.map((row) => of(row.expect)))].filter((word) => word !== undefined).sort()
    expect([...new Set(decisions.cases.map(({ rule }) => rule))].sort()).toEqual([1, 2, 3, 4, 5])
    expect(seen((row) => ('reason' in row ? row.reason : undefined))).toEqual([
      ...['no_slice', 'opt_out', 'override', 'revoked', 'settled', 'slice'],
    ])
    expect(seen((row) => ('arm' in row ? row.arm : undefined))).toEqual(['candidate', 'incumbent', 'none'])
    expect(seen((row) => ('skip' in row ? row.skip : undefined))).toEqual([
      ...['before_first_entry', 'conversation_expired', 'disabled', 'not_deployed', 'not_subscribed'],
    ])
    expect(seen((row) => ('error' in row ? row.error : undefined))).toEqual([
      ...['invalid_id', 'malformed_binding', 'snapshot_behind', 'start_missing', 'unknown_task'],
    ])
  })
})
