import fc from 'fast-check'
import type { CompositeRecord } from '../../src/domain/composite'
import { type KindName, kindNames } from '../../src/domain/version'
import { kindOf } from '../../src/kinds'
import type { Store } from '../../src/store/store'
import { registration } from './contents'
import { draftsWith } from './kind-drafts'

/** Kinds in an order in which everything that is referred to comes first. */
const order: readonly KindName[] = [
  ...(['dataset', 'field', 'model', 'prompt', 'embedding', 'engine'] as const),
  ...kindNames.filter((kind) => !['dataset', 'field', 'model', 'prompt', 'embedding', 'engine'].includes(kind)),
]

const baseModel = {
  bases: [{ provider: 'openai', name: 'small-1' }],
  datasets: { train: ['any@1.0.0'] },
  steps: [{ name: 'fine-tune', code: `sha256:${'d'.repeat(64)}`, parameters: {} }],
  checkpoint: { digest: `sha256:${'e'.repeat(64)}`, uri: 's3://models/e' },
}

/** Contents of every kind that refer to one another. */
export const anyContents: fc.Arbitrary<Readonly<Record<KindName, unknown>>> = fc.record(
  draftsWith((kind) => fc.constant(kind === 'model' ? 'base@1.0.0' : 'any@1.0.0')),
) as fc.Arbitrary<Readonly<Record<KindName, unknown>>>

/** Registers all of them in an empty store and commits a composite with every kind that may be in one. */
export async function commitAny(store: Store, contents: Readonly<Record<KindName, unknown>>): Promise<CompositeRecord> {
  for (const kind of order) {
    if (kind === 'model') await store.catalog.register(registration('model/base@1.0.0', baseModel))
    const provenance = { origin: kind, notes: [1, { a: 'ü' }] }
    await store.catalog.register(registration(`${kind}/any@1.0.0`, contents[kind], { provenance }))
  }
  const roles = kindNames.filter((kind) => kindOf(kind).changeType !== 'test')
  return store.catalog.commitComposite(Object.fromEntries(roles.map((kind) => [kind, 'any@1.0.0'])))
}

/** Empties every collection: a database of its own for each run would cost seconds. */
export async function emptied({ database }: Store): Promise<void> {
  for (const collection of await database.db.collections()) await collection.deleteMany({})
}

export async function textOf(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all.join('')
}

/** Bytes in pieces of one size, so that lines break anywhere. */
export async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let place = 0; place < bytes.length; place += size) yield bytes.subarray(place, place + size)
}
