import fc from 'fast-check'
import { classOf, isRecord } from '../../../src/domain/diff'
import { kindNames } from '../../../src/domain/version'
import { kindOf } from '../../../src/kinds'
import { schemaKind } from '../../../src/kinds/schema'
import { canonicalJson, digestOf } from '../../../src/store/canonical'
import { runs } from '../../support/effort'
import { draftOf } from '../../support/kind-drafts'
import { type Schema, schemas } from '../../support/schema-pairs'

const itself = (digest: `sha256:${string}`) => digest

const taken = (schema: Schema) => schemaKind.schema.safeParse(schema).success

describe('the class of a schema change', () => {
  it('is breaking only where the interface moved', () => {
    fc.assert(
      fc.property(
        fc.tuple(schemas, schemas).filter(([a, b]) => taken(a) && taken(b)),
        ([before, after]) => {
          const same = [before, after].map((schema) => digestOf(schemaKind.interfaceOf(schema, itself)))
          if (same[0] === same[1]) expect(classOf(schemaKind.diff(before, after, itself))).not.toBe('breaking')
        },
      ),
      { numRuns: runs(300) },
    )
  })

  it('is none for the same schema, and a difference for any other', () => {
    fc.assert(
      fc.property(
        fc.tuple(schemas, schemas).filter(([a, b]) => taken(a) && taken(b)),
        ([before, after]) => {
          expect(schemaKind.diff(before, structuredClone(before), itself)).toEqual([])
          const isEmpty = schemaKind.diff(before, after, itself).length === 0
          expect(isEmpty).toBe(digestOf(before) === digestOf(after))
        },
      ),
      { numRuns: runs(300) },
    )
  })
})

/** The same value with its keys in another order, at every depth. */
function reordered(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => reordered(item, seed))
  if (!isRecord(value)) return value
  const keys = Object.keys(value).sort((a, b) => digestOf([seed, a]).localeCompare(digestOf([seed, b])))
  return Object.fromEntries(keys.map((key) => [key, reordered(value[key], seed)]))
}

describe.each(kindNames)('a draft of a %s', (name) => {
  const kind = kindOf(name)

  it('has a digest that depends neither on the order of keys, nor on white space, nor on where it was read', () => {
    fc.assert(
      fc.property(draftOf[name], fc.nat(), fc.nat({ max: 8 }), (draft, seed, indent) => {
        const content = kind.schema.parse(draft)
        const written = JSON.stringify(reordered(draft, seed), undefined, indent)
        const elsewhere = kind.schema.parse(JSON.parse(written))
        expect(digestOf(elsewhere)).toBe(digestOf(content))
        // A database keeps the canonical text.
        expect(digestOf(JSON.parse(canonicalJson(content)))).toBe(digestOf(content))
        if (name !== 'dataset') expect(kind.diff(content, elsewhere, itself)).toEqual([])
      }),
      { numRuns: runs(100) },
    )
  })

  it('is read from its content again as that content', () => {
    fc.assert(
      fc.property(draftOf[name], (draft) => {
        const content = kind.schema.parse(draft)
        expect(canonicalJson(kind.schema.parse(JSON.parse(canonicalJson(content))))).toBe(canonicalJson(content))
      }),
      { numRuns: runs(100) },
    )
  })

  it('says where its references stand, and sums its content up in a line', () => {
    fc.assert(
      fc.property(draftOf[name], (draft) => {
        const content = kind.schema.parse(draft)
        for (const { path, ref } of kind.references(content)) {
          expect(path.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], content)).toBe(ref)
        }
        if (name !== 'dataset') expect(kind.summarize(content).length).toBeGreaterThan(0)
      }),
      { numRuns: runs(50) },
    )
  })

  it('differs from another one exactly where their digests do, and breaks only where its interface moved', () => {
    if (name === 'dataset') return
    fc.assert(
      fc.property(draftOf[name], draftOf[name], (one, other) => {
        const [before, after] = [kind.schema.parse(one), kind.schema.parse(other)]
        const changes = kind.diff(before, after, itself)
        expect(changes.length === 0).toBe(digestOf(before) === digestOf(after))
        const moved = digestOf(kind.interfaceOf(before, itself)) !== digestOf(kind.interfaceOf(after, itself))
        if (classOf(changes) === 'breaking') expect(moved).toBe(true)
      }),
      { numRuns: runs(100) },
    )
  })
})
