import fc from 'fast-check'
import { type FilterCondition, fieldTypes } from '../../src/domain/contents'
import { platformChanges } from '../../src/domain/pipeline-contents'
import type { KindName } from '../../src/domain/version'

/** What stands where a draft refers to a version of this kind: a digest, a label. */
export type RefOf = (kind: KindName) => fc.Arbitrary<string>

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
const digest = hex.map((digits) => `sha256:${digits}`)

const text = (maxLength = 40) => fc.string({ unit: 'grapheme', minLength: 1, maxLength })
/** Template text without braces, so that every variable is one that was meant. */
const plain = text().map((words) => words.replaceAll(/[{}\\]/g, '.'))
const key = fc.oneof(
  fc.constantFrom('mood', 'score', 'a.b', '$ref', 'naïve', 'constructor', 'with space'),
  text(20).filter((name) => name !== '__proto__'),
)
const reservedKey = /"(__proto__|prototype)":/
/** JSON without the keys that contents and rows refuse wherever they stand; the generator likes to try them. */
export const jsonDraft = fc.jsonValue({ maxDepth: 2 }).filter((value) => !reservedKey.test(JSON.stringify(value)))
const name = fc.constantFrom('small', 'large', 'tiny', 'n-1', 'a.b_c')
const amount = fc.double({ min: 0, max: 1000, noNaN: true })
const attributeValue = fc.oneof(text(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }))
const keyed = <T>(values: fc.Arbitrary<T>, minKeys = 0) =>
  fc.dictionary(key, values, { noNullPrototype: true, minKeys, maxKeys: 4 })
const partial = <T extends object>(required: (keyof T)[], parts: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(parts, { requiredKeys: required })

const template = fc
  .array(fc.oneof(plain, fc.constantFrom('{{call}}', '{{ tone }}', '\\{{literal}}', '\n')), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => parts.join(' '))
const jsonSchema = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    fc.constantFrom<object>({}, { type: 'string' }, { type: 'integer', minimum: 1 }, { enum: ['good', 'bad', null] }),
    tie('schema').map((items) => ({ type: 'array', items, maxItems: 3 })),
    partial<{ properties: object; required: string[]; additionalProperties: boolean }>([], {
      properties: fc.dictionary(fc.constantFrom('mood', 'score', 'why'), tie('schema'), { noNullPrototype: true }),
      required: fc.subarray(['mood', 'score']),
      additionalProperties: fc.boolean(),
    }).map((parts) => ({ type: 'object', ...parts })),
  ),
})).schema
const objectSchema = jsonSchema.map((schema) => ({ type: 'object', properties: { it: schema } }))

const condition = fc.letrec<{ condition: FilterCondition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.record({ attribute: key, eq: attributeValue }),
    fc.record({ attribute: key, in: fc.array(attributeValue, { minLength: 1, maxLength: 3 }) }),
    fc.record({ attribute: key, exists: fc.boolean() }),
    fc.record({ attribute: key, gt: amount }),
    fc.record({ attribute: key, lt: amount }),
    tie('condition').map((not) => ({ not })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
  ),
})).condition

const stack = keyed(fc.constantFrom('0.6.3', 'a10g', 'int8', '550.54'))
const heavy = partial<{ digest: string; uri: string; bytes: number }>(['digest', 'uri'], {
  digest,
  uri: fc.constantFrom('s3://bucket/path', 'gs://b/1', 'https://host.example/x?y=1'),
  bytes: fc.nat(),
})

const step = fc.oneof(
  fc.array(key, { minLength: 1, maxLength: 3 }).map((keys) => ({ step: 'pick', keys })),
  fc
    .uniqueArray(key, { minLength: 1, maxLength: 3 })
    .map((keys) => ({ step: 'rename', keys: Object.fromEntries(keys.map((old, place) => [old, `new ${place}`])) })),
  fc
    .tuple(key, amount, amount)
    .map(([at, a, b]) => ({ step: 'clamp', key: at, min: Math.min(a, b), max: Math.max(a, b) })),
  fc.record({ step: fc.constant('clamp'), key, max: amount }),
  fc.record({ step: fc.constant('round'), key, digits: fc.nat({ max: 12 }) }),
  fc.record({ step: fc.constant('map'), key, values: keyed(attributeValue, 1), otherwise: attributeValue }),
  fc.record({ step: fc.constant('default'), key, value: attributeValue }),
)

const timeoutMs = fc.integer({ min: 1, max: 600_000 })
const hook = fc.oneof(
  fc.record({ command: fc.array(text(), { minLength: 1, maxLength: 3 }) }),
  fc.record({ command: fc.array(text(), { minLength: 1, maxLength: 3 }), timeoutMs }),
  fc.record({
    http: fc.record({
      endpoint: name,
      method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
      path: fc.constantFrom('/', '/ready', '/a/b?c=1'),
      body: jsonDraft,
    }),
    timeoutMs,
  }),
)

const engineDraft = (refOf: RefOf) =>
  fc.record(
    {
      endpoint: name,
      provider: fc.constant('openai-compatible'),
      model: text(),
      parameters: fc.record(
        {
          temperature: fc.double({ min: 0, max: 2, noNaN: true }),
          topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
          maxOutputTokens: fc.integer({ min: 1, max: 4096 }),
          stop: fc.array(text(10), { maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
      timeoutMs,
      maxAttempts: fc.integer({ min: 1, max: 10 }),
      pricePerMillion: fc.record({ input: amount, cachedInput: amount, output: amount }),
      seed: fc.integer(),
      inferenceStack: stack,
      tunedModel: refOf('model'),
    },
    { requiredKeys: ['endpoint', 'model', 'pricePerMillion'] },
  )

const embeddingDraft = fc.record(
  {
    endpoint: name,
    model: text(),
    dimensions: fc.integer({ min: 1, max: 4096 }),
    normalization: fc.constantFrom('none', 'l2'),
    timeoutMs,
    maxAttempts: fc.integer({ min: 1, max: 10 }),
    pricePerMillion: amount,
    inferenceStack: stack,
  },
  { requiredKeys: ['endpoint', 'model', 'dimensions', 'pricePerMillion'] },
)

const candidate = fc.constantFrom('small', 'large')
const routerDraft = (refOf: RefOf) =>
  fc.record(
    {
      candidates: fc.record({ small: refOf('engine'), large: refOf('engine') }),
      rules: fc.array(fc.record({ when: condition, use: candidate }), { maxLength: 4 }),
      classifier: fc.record(
        {
          engine: refOf('engine'),
          prompt: refOf('prompt'),
          labels: keyed(candidate, 1),
          minConfidence: fc.double({ min: 0, max: 1, noNaN: true }),
          onFailure: candidate,
        },
        { requiredKeys: ['engine', 'prompt', 'labels', 'onFailure'] },
      ),
      default: candidate,
      fallbacks: fc.subarray(['small', 'large']),
    },
    { requiredKeys: ['candidates', 'default'] },
  )

const modelDraft = (refOf: RefOf) => {
  const datasets = fc.array(refOf('dataset'), { minLength: 1, maxLength: 3 })
  return fc.record(
    {
      bases: fc.array(
        fc.oneof(
          fc.record({ provider: text(), name: text() }),
          refOf('model').map((model) => ({ model })),
        ),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      datasets: fc.record({ train: datasets, validation: datasets }, { requiredKeys: ['train'] }),
      steps: fc.array(
        fc.record({ name: text(), code: digest, parameters: keyed(jsonDraft) }, { requiredKeys: ['name', 'code'] }),
        { minLength: 1, maxLength: 3 },
      ),
      seed: fc.integer(),
      checkpoint: heavy,
    },
    { requiredKeys: ['bases', 'datasets', 'steps', 'checkpoint'] },
  )
}

const share = fc.double({ min: 0, max: 1, noNaN: true })
const suiteDraft = (refOf: RefOf) =>
  fc.record(
    {
      dataset: refOf('dataset'),
      inputs: keyed(key),
      scorers: fc.constantFrom(
        [{ name: 'right', scorer: 'exact' }],
        [
          { name: 'right', scorer: 'field', options: { path: 'mood' }, gate: true },
          { name: 'other', scorer: 'exact', options: {} },
        ],
      ),
      primary: fc.constant('right'),
      thresholds: fc.record({ minAccuracy: share, minSchemaCompliance: share }, { requiredKeys: ['minAccuracy'] }),
      repeats: fc.integer({ min: 1, max: 20 }),
    },
    { requiredKeys: ['dataset', 'scorers', 'primary', 'thresholds'] },
  )

const policyDraft = fc.record(
  {
    environments: fc.constantFrom(['production'], ['staging', 'production']),
    leadMs: fc.integer({ min: 0, max: 60_000 }),
    approvals: fc.record({ count: fc.nat({ max: 3 }), notTheAuthor: fc.boolean() }, { requiredKeys: [] }),
    steps: fc.array(fc.record({ basisPoints: fc.integer({ min: 1, max: 10_000 }) }), { maxLength: 3 }),
    alpha: fc.double({ min: 0.001, max: 0.5, noNaN: true }),
    exceptions: fc.subarray(['shifting', 'breaking']),
  },
  { requiredKeys: [] },
)

/** A draft of every kind whose references are taken from `refOf`. Defaults are left out as often as they are given. */
export function draftsWith(refOf: RefOf): Readonly<Record<KindName, fc.Arbitrary<unknown>>> {
  const refs = (kind: KindName) => fc.array(refOf(kind), { minLength: 1, maxLength: 3 })
  const fewShot = refs('dataset')
  return {
    prompt: fc.oneof(
      partial<{ text: string; fewShot: string[] }>(['text'], { text: template, fewShot }),
      partial<{ messages: unknown; fewShot: string[] }>(['messages'], {
        messages: fc.array(fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: template }), {
          minLength: 1,
          maxLength: 3,
        }),
        fewShot,
      }),
    ),
    engine: engineDraft(refOf),
    schema: jsonSchema,
    mapping: keyed(refOf('field'), 1).map((fields) => ({ fields })),
    field: fc.record({
      computerName: fc.constantFrom('mood', 'call_score', 'x1'),
      type: fc.constantFrom(...fieldTypes),
      label: text(),
    }),
    filter: condition.map((accept) => ({ accept })),
    tool: fc.record({
      name: fc.constantFrom('find', 'find_booking', 'Look-up'),
      description: text(),
      parameters: objectSchema,
    }),
    postprocess: fc.oneof(
      fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => ({ steps })),
      fc.record({ code: heavy }),
    ),
    embedding: embeddingDraft,
    index: partial<{ embedding: string; dataset: string; build: object; artifact: object }>(
      ['embedding', 'dataset', 'artifact'],
      { embedding: refOf('embedding'), dataset: refOf('dataset'), build: keyed(attributeValue), artifact: heavy },
    ),
    router: routerDraft(refOf),
    model: modelDraft(refOf),
    dataset: fc
      .array(fc.dictionary(key, jsonDraft, { noNullPrototype: true, maxKeys: 4 }), {
        minLength: 1,
        maxLength: 5,
      })
      .map((rows) => ({ rows })),
    suite: suiteDraft(refOf),
    policy: policyDraft,
    platform: partial<{ change: string; artifact: object; deploy: object; verify: object; revert: object }>(
      ['change', 'deploy', 'verify', 'revert'],
      { change: fc.constantFrom(...platformChanges), artifact: heavy, deploy: hook, verify: hook, revert: hook },
    ),
  }
}

/** A draft of every kind; references are digests that name nothing. */
export const draftOf: Readonly<Record<KindName, fc.Arbitrary<unknown>>> = draftsWith(() => digest)
