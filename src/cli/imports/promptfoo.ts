import { isRecord } from '../../domain/diff'
import { malformed } from '../workspace-file'
import { addEngine } from './engine'
import { type Imported, type Importer, type ImportSettings, textIn } from './importer'
import { casesOf } from './promptfoo-cases'
import { addPrompts } from './promptfoo-prompts'
import { testsOf } from './promptfoo-tests'
import type { ImportSource } from './source'

/**
 * A configuration of promptfoo, https://promptfoo.dev/docs/configuration/reference/, with the files it names by
 * `file://`. Prompts and providers become versions; tests, with `defaultTest` and scenarios put in, become the rows of
 * a dataset whose cases bring their assertions as checks, and a suite that scores them.
 */
export const promptfoo: Importer = {
  name: 'promptfoo',
  reads: 'a promptfoo configuration with its prompts and tests',
  convert(source, into, settings) {
    const file = source.files.length === 1 ? source.files[0] : source.files.find((name) => configName.test(name))
    if (file === undefined) throw malformed('promptfooconfig.yaml', undefined, 'is not in this folder')
    const config = source.value(file)
    if (!isRecord(config)) throw malformed(file, undefined, 'holds no keys and values')
    const place = { source, into, file }
    const variables = addPrompts(place, config.prompts)
    addProviders(place, settings, config.providers ?? config.targets)
    addSuite(place, config, variables)
    noteRest(into, config, file)
  },
}

const configName = /^promptfooconfig\.(ya?ml|json)$/

interface Place {
  readonly source: ImportSource
  readonly into: Imported
  readonly file: string
}

type Config = Readonly<Record<string, unknown>>

function addProviders({ source, into, file }: Place, settings: ImportSettings, providers: unknown): void {
  const list =
    typeof providers === 'string' && providers.startsWith('file://')
      ? source.value(providers.slice('file://'.length))
      : providers
  const several: readonly unknown[] = Array.isArray(list) ? list : list === undefined ? [] : [list]
  for (const provider of several) {
    const id = typeof provider === 'string' ? provider : textIn(provider, 'id')
    if (id === undefined) {
      into.lost(file, 'a provider', 'it has no id')
      continue
    }
    // openai:gpt-4o, openai:chat:gpt-4o, anthropic:messages:claude-…
    const [, name, model] = /^([a-z0-9_-]+):(?:(?:chat|messages|responses|completion):)?([^:].*)$/.exec(id) ?? []
    if (name === undefined || model === undefined || notModels.includes(name)) {
      into.lost(file, `the provider ${id}`, 'it names no model that an endpoint serves')
      continue
    }
    const { config = {}, id: _id, label: _label, ...rest } = isRecord(provider) ? provider : { id }
    for (const key of Object.keys(rest)) into.lost(file, `${key} of the provider ${id}`, 'an engine does not hold it')
    const description = `${model} as ${file} configures it.`
    addEngine(into, settings, { provider: name, model, config: isRecord(config) ? config : {}, description, at: file })
  }
}
const notModels = [
  'file',
  'exec',
  'python',
  'http',
  'https',
  'webhook',
  'package',
  'mcp',
  'ws',
  'wss',
  'golang',
  'ruby',
]

const maxRepeats = 20

function addSuite(place: Place, config: Config, variables: readonly string[]): void {
  const { into, file } = place
  const rows = casesOf(place, testsOf(place, config), variables)
  if (rows.length === 0) {
    if (config.tests !== undefined || config.scenarios !== undefined)
      into.lost(file, 'the suite', 'none of its tests can be taken')
    return
  }
  const said = textIn(config, 'description')?.trim()
  const description = said ? said : `The tests of ${file}.`
  const name = said ? said : 'promptfoo'
  const dataset = into.addRows({ name, description, at: file }, rows)
  const options = isRecord(config.evaluateOptions) ? config.evaluateOptions : {}
  const { repeat = 1 } = options
  const repeats =
    typeof repeat === 'number' && Number.isInteger(repeat) && repeat >= 1 && repeat <= maxRepeats ? repeat : 1
  if (repeats !== repeat) into.lost(file, `repeat ${String(repeat)}`, `a suite repeats 1 to ${maxRepeats} times`)
  into.noted(
    file,
    'the least accuracy',
    'promptfoo fails where one test fails, so minAccuracy is 1: lower it in the suite',
  )
  into.add({
    kind: 'suite',
    name,
    description,
    at: file,
    content: {
      dataset,
      scorers: [{ name: 'checks', scorer: 'checks', gate: true }],
      primary: 'checks',
      thresholds: { minAccuracy: 1 },
      repeats,
    },
  })
}

const read = [
  'description',
  'prompts',
  'providers',
  'targets',
  'tests',
  'scenarios',
  'defaultTest',
  'evaluateOptions',
  '$schema',
]
/** Where results go, how fast they are made and who sees them. */
const harmless = ['outputPath', 'sharing', 'tags', 'metadata', 'commandLineOptions', 'env', 'writeLatestResults']

function noteRest(into: Imported, config: Config, file: string): void {
  for (const key of Object.keys(config)) {
    if (harmless.includes(key)) into.noted(file, `the key ${key}`, 'it says how promptfoo runs, not what is tested')
    else if (!read.includes(key)) into.lost(file, `the key ${key}`, 'nothing here holds it')
  }
}
