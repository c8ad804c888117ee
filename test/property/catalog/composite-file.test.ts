import fc from 'fast-check'
import type { CompositeRecord } from '../../../src/domain/composite'
import type { FileLine, FileVersion } from '../../../src/domain/composite-file'
import { SluiceError } from '../../../src/errors'
import { createCatalog } from '../../../src/store/catalog'
import { writtenLines } from '../../../src/store/composite-lines'
import type { Store } from '../../../src/store/store'
import { anyContents, commitAny, emptied, pieces, textOf } from '../../support/any-composite'
import { registration, samples } from '../../support/contents'
import { runs } from '../../support/effort'
import { testStore } from '../../support/ground'

const by = 'ben'
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('a composite in a file', () => {
  let here: Store
  let there: Store
  const drops: (() => Promise<void>)[] = []
  beforeAll(async () => {
    const [first, second] = [await testStore(), await testStore()]
    here = first.store
    there = second.store
    drops.push(first.drop, second.drop)
  })
  afterAll(async () => {
    for (const drop of drops) await drop()
  })

  const exported = async (store: Store, { id }: Pick<CompositeRecord, 'id'>, rows = true): Promise<string> =>
    textOf(await store.catalog.exportComposite(id, { rows }))
  const load = (bytes: Uint8Array, size = 1_000) => there.catalog.importComposite(pieces(bytes, size), { by })

  it('has the same id, contents and text wherever it is', async () => {
    const property = fc.asyncProperty(anyContents, fc.integer({ min: 1, max: 5_000 }), async (contents, size) => {
      await emptied(here)
      await emptied(there)
      const composite = await commitAny(here, contents)
      const text = await exported(here, composite)
      const imported = await load(bytesOf(text), size)
      expect(imported).toMatchObject({ composite: composite.id, created: true })
      expect(await there.catalog.composite(composite.id)).toEqual(await here.catalog.composite(composite.id))
      expect(await there.catalog.verifyComposite(composite.id)).toMatchObject({ valid: true, computed: composite.id })
      expect(await exported(there, composite)).toBe(text)
      const again = await load(bytesOf(text))
      expect(again.created || again.versions.some(({ created }) => created)).toBe(false)
    })
    await fc.assert(property, { numRuns: runs(8), endOnFailure: true })
  })

  it('is done again where the process died, and nothing half of it was ever to be had', async () => {
    await emptied(here)
    const contents = fc.sample(anyContents, { numRuns: 1, seed: 3 })[0] as Parameters<typeof commitAny>[1]
    const composite = await commitAny(here, contents)
    const bytes = bytesOf(await exported(here, composite))
    for (let alive = 0; alive <= 15; alive += 5) {
      await emptied(there)
      await expect(dyingAfter(there, alive).importComposite(pieces(bytes, 1_000), { by })).rejects.toThrow(
        'the process died',
      )
      expect(await there.database.collection('versions').countDocuments()).toBe(Math.min(alive, 15))
      await expect(there.catalog.composite(composite.id)).rejects.toMatchObject({ code: 'not_found' })
      const again = await load(bytes)
      expect(again.versions.filter(({ created }) => !created)).toHaveLength(Math.min(alive, 15))
      expect(await there.catalog.verifyComposite(composite.id)).toMatchObject({ valid: true })
    }
  })

  it('comes without rows where they were not exported, and takes them from a later file', async () => {
    await emptied(here)
    await emptied(there)
    const contents = fc.sample(anyContents, { numRuns: 1, seed: 5 })[0] as Parameters<typeof commitAny>[1]
    const composite = await commitAny(here, contents)
    expect(await load(bytesOf(await exported(here, composite, false)))).toMatchObject({ created: true, rows: 0 })
    const bare = await there.catalog.verifyComposite(composite.id)
    expect(bare.valid).toBe(true)
    expect(bare.parts.filter(({ state }) => state === 'not_imported')).toMatchObject([{ ref: 'dataset/any@1.0.0' }])
    await expect(exported(there, composite)).rejects.toMatchObject({ code: 'unknown_ref' })
    const full = await load(bytesOf(await exported(here, composite)))
    expect(full).toMatchObject({ created: false })
    const whole = await there.catalog.verifyComposite(composite.id)
    expect(whole.parts.every(({ state }) => state === 'ok')).toBe(true)
  })

  describe('at a place where its labels are taken', () => {
    it('is refused before anything is written, and comes under a prefix', async () => {
      await emptied(here)
      await emptied(there)
      const contents = fc.sample(anyContents, { numRuns: 1, seed: 9 })[0] as Parameters<typeof commitAny>[1]
      const composite = await commitAny(here, contents)
      const bytes = bytesOf(await exported(here, composite))
      await there.catalog.register(registration('tool/any@1.0.0', samples.tool.before))
      await expect(load(bytes)).rejects.toMatchObject({ code: 'version_exists' })
      expect(await there.database.collection('versions').countDocuments()).toBe(1)
      const options = { by, prefix: 'partner-' }
      const imported = await there.catalog.importComposite(pieces(bytes, 1_000), options)
      expect(imported).toMatchObject({ composite: composite.id, created: true })
      expect(imported.versions.map(({ ref }) => ref)).toContain('tool/partner-any@1.0.0')
      expect((await there.catalog.composite(composite.id)).roles.tool?.ref).toBe('tool/partner-any@1.0.0')
      expect(await there.catalog.verifyComposite(composite.id)).toMatchObject({ valid: true })
      const odd = there.catalog.importComposite(pieces(bytes, 1_000), { by, prefix: 'No Name ' })
      await expect(odd).rejects.toMatchObject({ code: 'invalid_request' })
    })
  })

  describe('that somebody altered', () => {
    let text: string
    let composite: CompositeRecord
    beforeAll(async () => {
      await emptied(here)
      await emptied(there)
      const [contents] = fc.sample(anyContents, { numRuns: 1, seed: 7 })
      if (contents === undefined) throw new Error('nothing was generated')
      composite = await commitAny(here, contents)
      text = await exported(here, composite)
    })

    const isRefused = async (bytes: Uint8Array): Promise<string> => {
      try {
        await load(bytes)
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error
        for (const name of ['versions', 'artifacts', 'composites']) {
          expect(await there.database.collection(name).countDocuments()).toBe(0)
        }
        return error.code
      }
      throw new Error('it was imported')
    }

    it('is refused whichever byte it was', async () => {
      const bytes = bytesOf(text)
      const change = fc.oneof(
        fc.record({
          how: fc.constant('changed'),
          place: fc.nat({ max: bytes.length - 1 }),
          by: fc.integer({ min: 1, max: 255 }),
        }),
        fc.record({ how: fc.constant('removed'), place: fc.nat({ max: bytes.length - 1 }), by: fc.constant(0) }),
        fc.record({ how: fc.constant('added'), place: fc.nat({ max: bytes.length }), by: fc.nat({ max: 255 }) }),
        fc.record({ how: fc.constant('cut'), place: fc.nat({ max: bytes.length - 1 }), by: fc.constant(0) }),
      )
      const altered = ({ how, place, by: amount }: { how: string; place: number; by: number }): Uint8Array => {
        const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)]
        if (how === 'changed')
          return Buffer.concat([before, Buffer.of(((after[0] ?? 0) + amount) % 256), after.subarray(1)])
        if (how === 'removed') return Buffer.concat([before, after.subarray(1)])
        return how === 'added' ? Buffer.concat([before, Buffer.of(amount), after]) : before
      }
      const property = fc.asyncProperty(change, async (one) => {
        expect(await isRefused(altered(one))).toBe('digest_mismatch')
      })
      await fc.assert(property, { numRuns: runs(250), endOnFailure: true })
    })

    it('is refused when its lines are in another order', async () => {
      const lines = text.trimEnd().split('\n')
      const place = fc.nat({ max: lines.length - 1 })
      const property = fc.asyncProperty(place, place, async (from, to) => {
        fc.pre(lines[from] !== lines[to])
        const swapped = lines.map((line, at) => (at === from ? lines[to] : at === to ? lines[from] : line))
        expect(await isRefused(bytesOf(`${swapped.join('\n')}\n`))).toBe('digest_mismatch')
      })
      await fc.assert(property, { numRuns: runs(30), endOnFailure: true })
    })

    /** Who alters a file can also compute its hashes again: then only the digests of contents are left to tell. */
    const forged = async (change: (lines: readonly FileLine[]) => readonly FileLine[]): Promise<Uint8Array> => {
      const lines = text.trimEnd().split('\n')
      const values = lines.map((line) => (JSON.parse(line) as { value: FileLine }).value)
      async function* changed() {
        yield* change(values)
      }
      return bytesOf(await textOf(writtenLines(changed())))
    }
    const isVersion = (kind: string) => (line: FileLine) => line.line === 'version' && line.kind === kind
    const inVersion = (kind: string, change: (version: FileVersion) => FileVersion) => (lines: readonly FileLine[]) =>
      lines.map((line) => (isVersion(kind)(line) ? change(line as FileVersion) : line))

    it.each<[string, (lines: readonly FileLine[]) => readonly FileLine[]]>([
      ['a content', inVersion('field', (line) => ({ ...line, content: { ...(line.content as object), label: 'x' } }))],
      ['a digest', inVersion('engine', (line) => ({ ...line, digest: `sha256:${'0'.repeat(64)}` }))],
      ['a label that the composite pins', inVersion('filter', (line) => ({ ...line, name: 'other' }))],
      ['a version that is left out', (lines) => lines.filter((line) => !isVersion('prompt')(line))],
      ['a version that stands behind what refers to it', fieldLast],
      ['a row that is left out', withoutFirst((line) => line.line === 'row')],
      [
        'a row that stands twice',
        (lines) => lines.flatMap((line): FileLine[] => (line.line === 'row' ? [line, line] : [line])),
      ],
      [
        'the id of the composite',
        (lines) =>
          lines.map((line) =>
            line.line === 'composite' ? { ...line, id: `sha256:${'1'.repeat(64)}` as const } : line,
          ),
      ],
      [
        'the id in the header',
        (lines) =>
          lines.map((line) =>
            line.line === 'header' ? { ...line, composite: `sha256:${'1'.repeat(64)}` as const } : line,
          ),
      ],
      [
        'the counts',
        (lines) => lines.map((line) => (line.line === 'end' ? { ...line, versions: line.versions + 1 } : line)),
      ],
      ['a missing end', (lines) => lines.filter((line) => line.line !== 'end')],
      [
        'a second header',
        (lines) => lines.flatMap((line): FileLine[] => (line.line === 'header' ? [line, line] : [line])),
      ],
      ['lines behind the end', (lines) => [...lines, ...lines.slice(-1)]],
    ])('and hashed again is refused for %s', async (_, change) => {
      expect(await isRefused(await forged(change))).toBe('digest_mismatch')
    })

    it.each<[string, (lines: readonly FileLine[]) => readonly unknown[]]>([
      [
        'another version of the format',
        (lines) => lines.map((line) => (line.line === 'header' ? { ...line, version: 2 } : line)),
      ],
      ['a line that nobody knows', (lines) => [...lines.slice(0, 1), { line: 'comment' }, ...lines.slice(1)]],
      [
        'a key that nobody knows',
        (lines) => lines.map((line) => (line.line === 'composite' ? { ...line, colour: 'red' } : line)),
      ],
    ])('and hashed again cannot be read for %s', async (_, change) => {
      expect(await isRefused(await forged(change as (lines: readonly FileLine[]) => readonly FileLine[]))).toBe(
        'malformed_file',
      )
    })

    it('is imported whole when nobody altered it', async () => {
      expect(await load(await forged((lines) => lines))).toMatchObject({ composite: composite.id, created: true })
    })
  })
})

/** A catalog whose process ends before a transaction: each version is registered in one. */
function dyingAfter({ database }: Store, transactions: number) {
  let left = transactions
  const transact: typeof database.transact = (work) => {
    if (left === 0) throw new Error('the process died')
    left -= 1
    return database.transact(work)
  }
  // With no transaction left, the composite is what would be written next.
  const collection: typeof database.collection = (name) => {
    if (isMade && name === 'composites' && left === 0) throw new Error('the process died')
    return database.collection(name)
  }
  let isMade = false
  const catalog = createCatalog({ ...database, transact, collection })
  isMade = true
  return catalog
}

/** A mapping refers to the field. */
function fieldLast(lines: readonly FileLine[]): readonly FileLine[] {
  const isField = (line: FileLine) => line.line === 'version' && line.kind === 'field'
  const end = lines.findIndex((line) => line.line === 'composite')
  const rest = lines.slice(0, end).filter((line) => !isField(line))
  return [...rest, ...lines.filter(isField), ...lines.slice(end)]
}

function withoutFirst(matches: (line: FileLine) => boolean) {
  return (lines: readonly FileLine[]): readonly FileLine[] => {
    const place = lines.findIndex(matches)
    return lines.filter((_, at) => at !== place)
  }
}
