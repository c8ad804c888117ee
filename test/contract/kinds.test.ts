import { classOf, sameJson } from '../../src/domain/diff'
import { type Digest, kindNames } from '../../src/domain/version'
import { kindOf } from '../../src/kinds'
import { canonicalJson, digestOf } from '../../src/store/canonical'
import { samples } from '../support/contents'

/** Referenced versions whose interface is as different as they are. */
const lookup = (digest: Digest): Digest => digest

describe.each(kindNames)('the kind %s', (name) => {
  const kind = kindOf(name)
  const { before, after, changeClass } = samples[name]

  it('carries its name and a folder of its own', () => {
    expect(kind.name).toBe(name)
    expect(kindNames.filter((other) => kindOf(other).folder === kind.folder)).toEqual([name])
  })

  it('takes the content of a version as it is, so that it can be registered elsewhere', () => {
    for (const content of [before, after]) expect(kind.schema.parse(content)).toEqual(content)
  })

  it.each([undefined, 'text', 7, [], { surplus: true }])('refuses %j', (content) => {
    expect(kind.schema.safeParse(content).success).toBe(false)
  })

  it('refuses an unknown key beside the known ones', () => {
    expect(kind.schema.safeParse({ ...(before as object), surplus: true }).success).toBe(false)
  })

  it('says where its references stand and what is written there', () => {
    for (const { path, ref } of kind.references(before)) {
      const found = path.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], before)
      expect(found).toBe(ref)
    }
  })

  it('finds no difference between a content and its copy', () => {
    expect(kind.diff(before, structuredClone(before), lookup)).toEqual([])
  })

  it('finds and classes a difference, in words', () => {
    const changes = kind.diff(before, after, lookup)
    expect(classOf(changes)).toBe(changeClass)
    expect(changes.every((change) => change.text.length > 0)).toBe(true)
  })

  it('has an interface that moves whenever a change breaks', () => {
    const interfaces = [before, after].map((content) => digestOf(kind.interfaceOf(content, lookup)))
    if (changeClass === 'breaking') expect(interfaces[0]).not.toBe(interfaces[1])
    expect(interfaces[0]).toBe(digestOf(kind.interfaceOf(structuredClone(before), lookup)))
  })

  it('sums a content up in one line', () => {
    expect(kind.summarize(before)).toMatch(/^[^\n]{1,300}$/)
  })

  it('is JSON and survives a round trip through canonical text', () => {
    expect(sameJson(JSON.parse(canonicalJson(before)), before)).toBe(true)
  })
})
