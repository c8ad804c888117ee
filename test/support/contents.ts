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
const dataset = { root: digest('2'), count: 3, columns: { id: { types: ['string'], required: true } } }

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
  dataset: { before: dataset, after: { ...dataset, root: digest('5'), count: 4 }, changeClass: 'safe' },
  suite: { before: suite, after: { ...suite, dataset: digest('6') }, changeClass: 'safe' },
  policy: {
    before: policyKind.schema.parse({}),
    after: policyKind.schema.parse({ steps: [] }),
    changeClass: 'safe',
  },
}

/** A registration with all that a test does not care about filled in. */
export const registration = (ref: string, content: unknown, rest: Partial<Registration> = {}): Registration => {
  const [, kind, name, semver] = /^(\w+)\/([^@]+)@(.+)$/.exec(ref) ?? []
  if (kind === undefined || name === undefined || semver === undefined) throw new Error(`${ref} is no kind/name@semver`)
  return { kind: kind as KindName, name, semver, content, author: 'ann', description: 'for a test', ...rest }
}

export const engineContent = engine
