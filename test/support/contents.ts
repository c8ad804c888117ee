import type { Registration } from '../../src/domain/registration'
import type { KindName } from '../../src/domain/version'
import { policyKind } from '../../src/kinds/policy'

const digest = (digit: string) => `sha256:${digit.repeat(64)}`

interface Sample {
  /** Two contents of one artifact that differ, with references as digests, as versions hold them. */
  readonly before: unknown
  readonly after: unknown
  readonly changeClass: 'safe' | 'breaking'
}

const report = (mood: unknown) => ({ type: 'object', properties: { mood }, required: ['mood'] })
const engine = {
  endpoint: 'simulated',
  provider: 'openai-compatible',
  model: 'small-1',
  parameters: { temperature: 0 },
  timeoutMs: 20_000,
  maxAttempts: 2,
  pricePerMillion: { input: 0.4, cachedInput: 0.1, output: 1.6 },
}
const suite = {
  dataset: digest('1'),
  inputs: {},
  scorers: [{ name: 'mood', scorer: 'field', options: { path: 'mood' } }],
  primary: 'mood',
  thresholds: { minAccuracy: 0.6 },
  groupBy: 'group',
  repeats: 1,
}
const dataset = {
  root: digest('2'),
  count: 3,
  columns: { id: { types: ['string'], required: true } },
  steps: [
    {
      inputs: { raw: digest('7') },
      code: { digest: digest('8') },
      command: ['make'],
      parameters: {},
      output: digest('2'),
    },
  ],
}

const artifact = (digit: string) => ({ digest: digest(digit), uri: `s3://models/${digit}` })
const tool = (parameters: object) => ({
  name: 'find_booking',
  description: 'Finds a booking.',
  parameters: { type: 'object', properties: { locator: { type: 'string' } }, ...parameters },
})
const embedding = {
  endpoint: 'simulated',
  provider: 'openai-compatible',
  model: 'embed-1',
  dimensions: 256,
  normalization: 'l2',
  timeoutMs: 20_000,
  maxAttempts: 2,
  pricePerMillion: 0.02,
}
const retrieval = { embedding: digest('7'), dataset: digest('1'), build: { chunk: 400 }, artifact: artifact('8') }
const router = {
  candidates: { small: digest('a'), large: digest('b') },
  rules: [{ when: { attribute: 'language', in: ['de', 'fr'] }, use: 'large' }],
  classifier: {
    engine: digest('a'),
    prompt: digest('c'),
    labels: { hard: 'large', easy: 'small' },
    minConfidence: 0.7,
    onFailure: 'large',
  },
  default: 'small',
  fallbacks: ['large'],
}
const model = {
  bases: [{ provider: 'openai', name: 'small-1' }, { model: digest('9') }],
  datasets: { train: [digest('1')], validation: [digest('2')] },
  steps: [{ name: 'fine-tune', code: digest('d'), parameters: { epochs: 3 } }],
  seed: 7,
  checkpoint: artifact('e'),
}
const platform = {
  change: 'schema_migration',
  artifact: artifact('f'),
  deploy: { command: ['npm', 'run', 'migrate'], timeoutMs: 600_000 },
  verify: { http: { endpoint: 'operations', method: 'GET', path: '/ready' }, timeoutMs: 60_000 },
  revert: { command: ['npm', 'run', 'migrate', '--', '--down'], timeoutMs: 600_000 },
}
const clamp = (max: number) => ({ steps: [{ step: 'clamp', key: 'score', min: 1, max }] })

/** One change of each kind. */
export const samples: Readonly<Record<KindName, Sample>> = {
  prompt: { before: { text: 'Hi {{name}}' }, after: { text: 'Hello {{name}}' }, changeClass: 'safe' },
  engine: { before: engine, after: { ...engine, model: 'small-2' }, changeClass: 'safe' },
  schema: { before: report({ enum: ['good'] }), after: report({ enum: ['good', 'bad'] }), changeClass: 'breaking' },
  mapping: {
    before: { fields: { mood: digest('3') } },
    after: { fields: { mood: digest('4') } },
    changeClass: 'breaking',
  },
  field: {
    before: { computerName: 'mood', type: 'string', label: 'Mood' },
    after: { computerName: 'mood', type: 'string', label: 'Mood of the call' },
    changeClass: 'safe',
  },
  filter: {
    before: { accept: { attribute: 'channel', eq: 'call' } },
    after: { accept: { attribute: 'channel', in: ['call', 'chat'] } },
    changeClass: 'safe',
  },
  tool: { before: tool({}), after: tool({ required: ['locator'] }), changeClass: 'breaking' },
  postprocess: { before: clamp(5), after: clamp(10), changeClass: 'breaking' },
  embedding: { before: embedding, after: { ...embedding, model: 'embed-2' }, changeClass: 'breaking' },
  index: { before: retrieval, after: { ...retrieval, dataset: digest('2') }, changeClass: 'safe' },
  router: { before: router, after: { ...router, rules: [], fallbacks: [] }, changeClass: 'safe' },
  model: { before: model, after: { ...model, checkpoint: artifact('3') }, changeClass: 'safe' },
  dataset: { before: dataset, after: { ...dataset, root: digest('5'), count: 4 }, changeClass: 'safe' },
  suite: { before: suite, after: { ...suite, dataset: digest('6') }, changeClass: 'safe' },
  policy: {
    before: policyKind.schema.parse({}),
    after: policyKind.schema.parse({ steps: [] }),
    changeClass: 'safe',
  },
  platform: { before: platform, after: { ...platform, change: 'performance' }, changeClass: 'breaking' },
}

/** A registration with all that a test does not care about filled in. */
export const registration = (ref: string, content: unknown, rest: Partial<Registration> = {}): Registration => {
  const [, kind, name, semver] = /^(\w+)\/([^@]+)@(.+)$/.exec(ref) ?? []
  if (kind === undefined || name === undefined || semver === undefined) throw new Error(`${ref} is no kind/name@semver`)
  return { kind: kind as KindName, name, semver, content, author: 'ann', description: 'for a test', ...rest }
}

export const engineContent = engine
