import { classOf } from '../../../src/domain/diff'
import type { Digest } from '../../../src/domain/version'
import { embeddingKind } from '../../../src/kinds/embedding'
import { engineKind } from '../../../src/kinds/engine'
import { fieldKind } from '../../../src/kinds/field'
import { filterKind } from '../../../src/kinds/filter'
import { accepts } from '../../../src/kinds/filter-accepts'
import { mappingKind } from '../../../src/kinds/mapping'
import { modelKind } from '../../../src/kinds/model'
import { policyKind } from '../../../src/kinds/policy'
import { suiteKind } from '../../../src/kinds/suite'
import { digestOf } from '../../../src/store/canonical'
import { engineContent, samples } from '../../support/contents'

const itself = (digest: Digest): Digest => digest

describe('a filter', () => {
  const attributes = { channel: 'call', seconds: 90, vip: false }

  it.each([
    [{ attribute: 'channel', eq: 'call' }, true],
    [{ attribute: 'channel', eq: 'chat' }, false],
    [{ attribute: 'seconds', eq: '90' }, false],
    [{ attribute: 'channel', in: ['chat', 'call'] }, true],
    [{ attribute: 'seconds', gt: 89 }, true],
    [{ attribute: 'seconds', gt: 90 }, false],
    [{ attribute: 'seconds', lt: 90 }, false],
    [{ attribute: 'channel', lt: 5 }, false],
    [{ attribute: 'vip', exists: true }, true],
    [{ attribute: 'language', exists: false }, true],
    [{ attribute: 'constructor', exists: true }, false],
    [{ attribute: 'language', eq: 'en' }, false],
    [{ not: { attribute: 'language', eq: 'en' } }, true],
    [
      {
        all: [
          { attribute: 'channel', eq: 'call' },
          { attribute: 'vip', eq: true },
        ],
      },
      false,
    ],
    [
      {
        any: [
          { attribute: 'channel', eq: 'call' },
          { attribute: 'vip', eq: true },
        ],
      },
      true,
    ],
  ])('by %j is %s', (accept, expected) => {
    const filter = filterKind.schema.parse({ accept })
    expect(accepts(filter, attributes)).toBe(expected)
  })

  it('breaks when it reads another attribute', () => {
    const reading = (attribute: string) => ({ accept: { attribute, eq: 1 } })
    const both = {
      accept: {
        all: [
          { attribute: 'a', eq: 1 },
          { attribute: 'b', eq: 1 },
        ],
      },
    }
    expect(classOf(filterKind.diff(reading('a'), both, itself))).toBe('breaking')
    expect(classOf(filterKind.diff(both, reading('a'), itself))).toBe('safe')
  })

  it.each([
    { accept: {} },
    { accept: { attribute: 'a' } },
    { accept: { attribute: 'a', eq: 1, gt: 2 } },
    { accept: { all: [] } },
  ])('refuses %j', (content) => {
    expect(filterKind.schema.safeParse(content).success).toBe(false)
  })

  it('refuses depth and size beyond its bounds', () => {
    let deep: object = { attribute: 'a', eq: 1 }
    for (let depth = 0; depth < 20; depth += 1) deep = { not: deep }
    expect(filterKind.schema.safeParse({ accept: deep }).success).toBe(false)
    for (let depth = 0; depth < 5000; depth += 1) deep = { all: [deep] }
    expect(filterKind.schema.safeParse({ accept: deep }).success).toBe(false)
    const wide = { any: Array.from({ length: 600 }, () => ({ attribute: 'a', eq: 1 })) }
    expect(filterKind.schema.safeParse({ accept: wide }).success).toBe(false)
  })
})

describe('what an engine runs on', () => {
  const engine = (change: object) => ({ ...engineContent, ...change })
  const stack = { library: '0.6.3', hardware: 'a10g', quantization: 'int8' }

  it('is part of its identity, and so is the seed', () => {
    const contents = [
      engine({}),
      engine({ seed: 7 }),
      engine({ seed: 8 }),
      engine({ inferenceStack: stack }),
      engine({ inferenceStack: { ...stack, quantization: 'none' } }),
    ]
    const digests = contents.map((content) => digestOf(engineKind.schema.parse(content)))
    expect(new Set(digests).size).toBe(contents.length)
  })

  it.each(['latest', 'Latest', '*', '^0.6.0', '~1.2', '>=2', '1 || 2', 'main', ''])(
    'is pinned: %j is not',
    (library) => {
      for (const kind of [engineKind, embeddingKind]) {
        const content = kind === engineKind ? engine({}) : samples.embedding.before
        const given = (version: string) => ({ ...(content as object), inferenceStack: { ...stack, library: version } })
        expect(kind.schema.safeParse(given('0.6.3')).success).toBe(true)
        expect(kind.schema.safeParse(given(library)).success).toBe(false)
      }
    },
  )
})

describe('heavy bytes', () => {
  const model = (uri: string) => ({ ...(samples.model.before as object), checkpoint: { digest: digestOf('x'), uri } })

  it.each(['file:///data/model', '/data/model', 'model', 's3://', ''])('are not taken at %j', (uri) => {
    expect(modelKind.schema.safeParse(model(uri)).success).toBe(false)
  })

  it('are taken where every machine finds them', () => {
    expect(modelKind.schema.safeParse(model('s3://bucket/model')).success).toBe(true)
  })
})

describe('a mapping', () => {
  const fields = (field: string, more: object = {}) => ({ fields: { mood: field as Digest, ...more } })

  it('stays the same to its readers where a field only got another label', () => {
    const sameField = () => 'sha256:0' as Digest
    expect(classOf(mappingKind.diff(fields('sha256:a'), fields('sha256:b'), sameField))).toBe('safe')
    expect(classOf(mappingKind.diff(fields('sha256:a'), fields('sha256:b'), itself))).toBe('breaking')
  })

  it('may gain a key and breaks by losing one', () => {
    const more = fields('sha256:a', { csat: 'sha256:c' })
    expect(classOf(mappingKind.diff(fields('sha256:a'), more, itself))).toBe('safe')
    expect(classOf(mappingKind.diff(more, fields('sha256:a'), itself))).toBe('breaking')
  })

  it.each(['mood', 'engine/mood@1.0.0', 'mood@', 'a b@1.0.0'])('refuses the reference %s', (ref) => {
    expect(mappingKind.schema.safeParse({ fields: { mood: ref } }).success).toBe(false)
  })
})

describe('a field', () => {
  it('holds its name and type for ever', () => {
    expect(fieldKind.immutable).toEqual(['computerName', 'type'])
  })
})

describe('an engine', () => {
  it('fills in what a short file leaves out', () => {
    const { endpoint, model, pricePerMillion } = engineContent
    expect(engineKind.schema.parse({ endpoint, model, pricePerMillion })).toEqual({
      endpoint,
      model,
      pricePerMillion,
      provider: 'openai-compatible',
      parameters: {},
      timeoutMs: 30_000,
      maxAttempts: 3,
    })
  })

  it.each([
    { timeoutMs: 0 },
    { maxAttempts: 100 },
    { pricePerMillion: { input: -1, cachedInput: 0, output: 0 } },
    { pricePerMillion: { input: Number.NaN, cachedInput: 0, output: 0 } },
    { parameters: { temperature: 3 } },
    { parameters: { top_p: 1 } },
    { seed: 1.5 },
    { provider: 'other' },
  ])('refuses %j', (wrong) => {
    expect(engineKind.schema.safeParse({ ...engineContent, ...wrong }).success).toBe(false)
  })
})

describe('a policy', () => {
  it('says everything once it is registered, however short its file', () => {
    const policy = policyKind.schema.parse({})
    expect(policy.environments).toEqual(['staging', 'production'])
    expect(policy.steps.map((step) => step.basisPoints)).toEqual([100, 500, 2500, 5000, 9500])
    expect(policy.afterRollback).toEqual({ hold: true, veto: true })
    expect(policy.pilot).toBeUndefined()
  })

  it('goes straight to everybody where it names no steps', () => {
    expect(policyKind.schema.parse({ steps: [] }).steps).toEqual([])
  })

  it('has no more steps and classes than the evidence of one decision may hold', () => {
    const steps = (count: number) => Array.from({ length: count }, (_, index) => ({ basisPoints: 100 + index }))
    const classes = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`)
    const outputs = (count: number) =>
      Array.from({ length: 8 }, (_, index) => ({ field: `f${index}`, classes: classes(count), role: 'pause' }))
    const fits = (count: number, watched: number, pilot = {}) =>
      policyKind.schema.safeParse({ steps: steps(count), outputs: outputs(watched), pilot }).success
    expect([fits(19, 20), fits(50, 4), fits(30, 20), fits(50, 20)]).toEqual([true, true, false, false])
    expect(policyKind.schema.safeParse({ steps: steps(50), outputs: outputs(20) }).success).toBe(true)
  })

  it.each([
    { guardrails: [{ metric: 'happiness', margin: 0.1 }] },
    { steps: [{ basisPoints: 10_001 }] },
    { environments: [] },
    { environments: ['production', 'production'] },
    { alpha: 0 },
    { breakers: [{ kind: 'errors' }] },
    { surplus: 1 },
  ])('refuses %j', (wrong) => {
    expect(policyKind.schema.safeParse(wrong).success).toBe(false)
  })
})

describe('a suite', () => {
  const suite = samples.suite.before as Parameters<typeof suiteKind.diff>[0]

  it('breaks by losing a scorer or by another primary one, not by more cases', () => {
    const csat = { name: 'csat', scorer: 'numeric-tolerance', options: {} }
    const more = { ...suite, scorers: [...suite.scorers, csat] }
    expect(classOf(suiteKind.diff(suite, more, itself))).toBe('safe')
    expect(classOf(suiteKind.diff(more, suite, itself))).toBe('breaking')
    expect(classOf(suiteKind.diff(more, { ...more, primary: 'csat' }, itself))).toBe('breaking')
  })

  it.each([
    { primary: 'nobody' },
    { scorers: [] },
    { scorers: [...suite.scorers, ...suite.scorers] },
    { thresholds: { minAccuracy: 60 } },
    { repeats: 0 },
  ])('refuses %j', (wrong) => {
    expect(suiteKind.schema.safeParse({ ...suite, ...wrong }).success).toBe(false)
  })
})
