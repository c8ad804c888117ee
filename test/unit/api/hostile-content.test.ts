import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { exitCodes } from '../../../src/cli/main'
import { runCaptured, type TestApi, testApi } from '../../support/api'
import { registration } from '../../support/contents'

const nested = (levels: number, open: string, close: string, core = ''): string =>
  open.repeat(levels) + core + close.repeat(levels)
const deepSchema = (levels: number): string => nested(levels, '{"items":', '}', '{}')
const deepFilter = (levels: number): string =>
  `{"accept":${nested(levels, '{"not":', '}', '{"attribute":"a","eq":1}')}}`
/** Each definition is the one before, twenty times over. */
const bomb = {
  $ref: '#/$defs/d9',
  $defs: Object.fromEntries(
    Array.from({ length: 10 }, (_, level) => [
      `d${level}`,
      level === 0
        ? { type: 'string' }
        : { allOf: Array.from({ length: 20 }, () => ({ $ref: `#/$defs/d${level - 1}` })) },
    ]),
  ),
}
const proto = '{"type":"object","properties":{"__proto__":{"type":"string"}}}'
const suite = (options: object) => ({
  dataset: `sha256:${'0'.repeat(64)}`,
  scorers: [{ name: 'a', scorer: 'json-schema', options }],
  primary: 'a',
  thresholds: { minAccuracy: 1 },
})

/** Contents as JSON text: some are too deep to be written by `JSON.stringify`. */
const hostile: readonly (readonly [string, kind: string, text: string])[] = (
  [
    ['a schema 10,000 levels deep', 'schema', deepSchema(10_000)],
    ['a schema of 41 levels', 'schema', deepSchema(41)],
    ['a filter 10,000 levels deep', 'filter', deepFilter(10_000)],
    ['a prompt 10,000 levels deep', 'prompt', `{"messages":${nested(10_000, '[', ']')}}`],
    ['an enum of 200,000 values', 'schema', { enum: Array.from({ length: 200_000 }, (_, index) => index) }],
    ['references that grow without bound', 'schema', bomb],
    ['a reference to itself', 'schema', { $ref: '#' }],
    [
      'references in a ring',
      'schema',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    ],
    ['a remote reference', 'schema', { $ref: 'https://example.com/schema.json' }],
    ['a file as a reference', 'schema', { $ref: 'file:///etc/passwd' }],
    ['a pattern that backtracks', 'schema', { pattern: '^(a+)+$' }],
    ['a key pattern that backtracks', 'schema', { patternProperties: { '^(a|a)*$': {} } }],
    ['a pattern of key names that backtracks', 'schema', { propertyNames: { pattern: '(x+x+)+y' } }],
    ['a pattern within a definition that backtracks', 'schema', { $defs: { a: { pattern: '([a-z]+)*$' } } }],
    ['a pattern of optional parts', 'schema', { pattern: `${'a?'.repeat(40)}${'a'.repeat(40)}` }],
    [
      'a filter of 100,000 conditions',
      'filter',
      { accept: { any: Array.from({ length: 100_000 }, () => ({ attribute: 'a', eq: 1 })) } },
    ],
    ['a prompt of two million letters', 'prompt', { text: 'a'.repeat(2_000_000) }],
    [
      'a prompt of 10,000 variables',
      'prompt',
      { text: Array.from({ length: 10_000 }, (_, index) => `{{v${index}}}`).join('') },
    ],
    ['a scorer with a schema that backtracks', 'suite', suite({ schema: { pattern: '^(a+)+$' } })],
  ] as const
).map(([name, kind, content]) => [name, kind, typeof content === 'string' ? content : JSON.stringify(content)])

describe('content that is made to take for ever', () => {
  let api: TestApi
  let folder: string
  beforeAll(async () => {
    api = await testApi()
    folder = mkdtempSync(join(tmpdir(), 'hostile-'))
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await api.stop()
  })
  const send = async (kind: string, content: string, headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(`${api.url}/v1/artifacts`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.key}`, 'content-type': 'application/json', ...headers },
      body: `{"kind":"${kind}","name":"hostile","semver":"1.0.0","description":"for a test","content":${content}}`,
    })
    return { status: response.status, body: (await response.json()) as { readonly code?: string } }
  }
  const versions = () => api.store.database.db.collection('versions').countDocuments()

  describe.each(hostile)('%s', (name, kind, text) => {
    const ref = `${kind}/hostile@1.0.0`
    const refusal = kind === 'suite' ? /^(invalid_content|unknown_ref)$/ : /^invalid_content$/

    it('is refused by the store and the check', async () => {
      const draft = registration(ref, JSON.parse(text))
      await expect(api.store.catalog.register(draft)).rejects.toMatchObject({ code: expect.stringMatching(refusal) })
      const [item] = await api.store.catalog.check([draft], [])
      expect(item).toMatchObject({ outcome: 'refused', code: expect.stringMatching(refusal) })
    })

    it('is refused over HTTP, and nothing is written', async () => {
      const answer = await send(kind, text, { 'idempotency-key': name })
      expect([answer.status, answer.body.code]).toEqual([
        kind === 'suite' ? expect.any(Number) : 400,
        expect.stringMatching(/^(invalid_content|invalid_request|unknown_ref)$/),
      ])
      expect(await versions()).toBe(0)
    })

    it('is refused on the way to the server', async () => {
      const place = `${kind}s/hostile/1.0.0.json`
      const home = join(folder, name.replaceAll(' ', '-'))
      mkdirSync(dirname(join(home, place)), { recursive: true })
      writeFileSync(join(home, place), `{"description":"for a test","content":${text}}`)
      const { code, err } = await api.cli('push', home)
      expect(code).not.toBe(exitCodes.ok)
      expect(err).toMatch(/^(malformed_file|unknown_ref|invalid_content|invalid_request): /)
      expect(await versions()).toBe(0)
    })
  })

  it('is refused where it names the prototype of objects', async () => {
    await expect(
      api.store.catalog.register(registration('schema/proto@1.0.0', JSON.parse(proto))),
    ).rejects.toMatchObject({
      code: 'invalid_content',
    })
    expect(await send('schema', proto)).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })

  describe('in the provenance', () => {
    const draft = (provenance: string) => ({
      ...registration('prompt/sourced@1.0.0', { text: 'a' }),
      provenance: JSON.parse(provenance),
    })
    const levels = (count: number): string => nested(count, '{"a":', '}', '1')

    it.each<[string, provenance: string, message: RegExp]>([
      ['a reserved key', '{"run":[{"__proto__":1}]}', /the provenance names the reserved key __proto__/],
      ['101 levels', levels(101), /the provenance is nested deeper than 100 levels/],
      ['100,000 letters and more', `{"a":"${'a'.repeat(100_000)}"}`, /the provenance is longer than 100000 letters/],
    ])('%s is refused, and nothing is written', async (_, provenance, message) => {
      await expect(api.store.catalog.register(draft(provenance))).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringMatching(message),
      })
      expect(await versions()).toBe(0)
    })

    it('as many levels as it may have come back from a pulled folder', async () => {
      await api.store.catalog.register(draft(levels(100)))
      const home = join(folder, 'pulled')
      expect(await api.cli('pull', home)).toMatchObject({ code: exitCodes.ok })
      const pushed = await api.cli('push', home)
      expect(pushed.out).toMatch(/^0 new or changed/m)
      await api.forget('versions', 'artifacts')
      expect((await api.cli('push', home)).code).toBe(exitCodes.ok)
      expect(await api.store.catalog.version('prompt/sourced@1.0.0')).toMatchObject({
        provenance: draft(levels(100)).provenance,
      })
      await api.forget('versions', 'artifacts')
    })
  })

  it('is refused over HTTP by its size before it is read', async () => {
    const content = JSON.stringify({ text: 'a'.repeat(10_000_000) })
    expect(await send('prompt', content)).toMatchObject({ status: 413, body: { code: 'payload_too_large' } })
  })

  it.each<[string, string]>([
    ['aliases that stand for each other', `a: &a [x,x,x,x,x,x,x,x,x]\n${bombOfAliases()}`],
    ['ten thousand open brackets', `content: ${nested(10_000, '[', ']')}`],
    ['ten megabytes', `content: ${'a'.repeat(10_000_000)}`],
  ])('is refused as a file with %s', async (name, text) => {
    const home = join(folder, name.replaceAll(' ', '-'))
    mkdirSync(join(home, 'prompts/hostile'), { recursive: true })
    writeFileSync(join(home, 'prompts/hostile/1.0.0.yaml'), `description: for a test\n${text}\n`)
    const { code, err } = await runCaptured(['push', home], { url: api.url, apiKey: api.key })
    expect([code, err.split(':')[0]]).toEqual([exitCodes.failed, 'malformed_file'])
  })

  it('is taken where it only looks odd', async () => {
    const odd = {
      type: 'object',
      properties: {
        '🙂': { type: 'string' },
        'a\u0000b': {},
        constructor: { type: 'number' },
        ключ: { pattern: '^\\p{Lu}' },
      },
    }
    const { version } = await api.store.catalog.register(registration('schema/odd@1.0.0', odd))
    expect(version.content).toEqual(odd)
  })
})

function bombOfAliases(): string {
  const letters = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  return letters
    .slice(1)
    .map(
      (letter, index) => `${letter}: &${letter} [${Array.from({ length: 9 }, () => `*${letters[index]}`).join(',')}]`,
    )
    .join('\n')
}
