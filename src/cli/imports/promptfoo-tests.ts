import { isRecord } from '../../domain/diff'
import { malformed } from '../workspace-file'
import { parseCsv } from './csv'
import type { Imported } from './importer'
import { assertionOfText } from './promptfoo-checks'
import type { ImportSource } from './source'

/** A test with everything that applies to it put in. */
export interface PromptfooTest {
  readonly at: string
  readonly vars: Readonly<Record<string, unknown>>
  readonly assert: readonly unknown[]
  readonly description?: string
  readonly expandLists: boolean
}

interface Place {
  readonly source: ImportSource
  readonly into: Imported
  readonly file: string
}

interface RawTest {
  readonly at: string
  readonly test: Readonly<Record<string, unknown>>
}

type Config = Readonly<Record<string, unknown>>

/** Every test of `tests` and `scenarios`, https://promptfoo.dev/docs/configuration/test-cases/, under `defaultTest`. */
export function testsOf(place: Place, config: Config): readonly PromptfooTest[] {
  const { into, file } = place
  const preset = defaultsOf(place, config.defaultTest)
  const plain = rawTests(place, config.tests, `${file} tests`)
  const products = scenariosOf(place, config.scenarios)
  return [...plain, ...products].flatMap((raw) => merged(into, preset, raw) ?? [])
}

function defaultsOf({ source, file }: Place, given: unknown): Config {
  if (given === undefined) return {}
  const preset = typeof given === 'string' ? source.value(given.replace(/^file:\/\//, '')) : given
  if (!isRecord(preset)) throw malformed(file, undefined, 'defaultTest holds no keys and values')
  return preset
}

function rawTests(place: Place, tests: unknown, at: string): readonly RawTest[] {
  const { into, file } = place
  const list = Array.isArray(tests) ? (tests as readonly unknown[]) : tests === undefined ? [] : [tests]
  return list.flatMap((test, number) => {
    if (typeof test === 'string') return testFile(place, test)
    if (isRecord(test)) return [{ at: `${at}[${number}]`, test }]
    into.lost(file, `the test ${number + 1}`, 'it is neither a test nor a file')
    return []
  })
}

function testFile(place: Place, named: string): readonly RawTest[] {
  const { source, into, file } = place
  const path = named.replace(/^file:\/\//, '')
  if (path.endsWith('.csv'))
    return parseCsv(source.text(path), path).map(({ line, row }) => csvTest(into, row, `${path}:${line}`))
  if (path.endsWith('.jsonl')) {
    return source
      .lines(path)
      .flatMap(({ line, value }) => (isRecord(value) ? [{ at: `${path}:${line}`, test: value }] : []))
  }
  if (/\.(ya?ml|json)$/.test(path) && !/[*?[\]]/.test(path))
    return rawTests({ ...place, file: path }, source.value(path), path)
  into.lost(
    file,
    `the tests ${named}`,
    'only .yaml, .json, .jsonl and .csv files are tests that can be read without running them',
  )
  return []
}

/** Columns that begin with `__` say something of the test; the others are its variables. */
function csvTest(into: Imported, row: ReadonlyMap<string, string>, at: string): RawTest {
  const vars: [string, string][] = []
  const asserted: unknown[] = []
  let description: string | undefined
  for (const [key, value] of row) {
    if (!key.startsWith('__')) vars.push([key, value])
    else if (value.trim() === '') continue
    else if (/^__expected\d*$/.test(key)) asserted.push(assertionOfText(value))
    else if (key === '__description') description = value
    else if (key === '__metric' || key.startsWith('__metadata'))
      into.noted(at, `the column ${key}`, 'it only groups results')
    else into.lost(at, `the column ${key}`, 'a case does not hold it')
  }
  const said = description === undefined ? {} : { description }
  return { at, test: { vars: Object.fromEntries(vars), assert: asserted, ...said } }
}

/** Each set of variables of a scenario with each of its tests. */
function scenariosOf(place: Place, scenarios: unknown): readonly RawTest[] {
  const { into, file } = place
  if (scenarios === undefined) return []
  const list = Array.isArray(scenarios) ? (scenarios as readonly unknown[]) : [scenarios]
  return list.flatMap((scenario, number) => {
    const at = `${file} scenarios[${number}]`
    if (!isRecord(scenario) || !Array.isArray(scenario.config)) {
      into.lost(at, 'the scenario', 'it has no list of configurations')
      return []
    }
    const tests = rawTests(place, scenario.tests ?? [{}], at)
    return (scenario.config as readonly unknown[]).flatMap((config, set) =>
      tests.map((raw) => ({
        at: `${raw.at} with config[${set}]`,
        test: joined(isRecord(config) ? config : {}, raw.test),
      })),
    )
  })
}

/** The later one wins, but for assertions, of which all hold. */
function joined(before: Config, after: Config): Config {
  const both = (key: string) => ({ ...recordIn(before, key), ...recordIn(after, key) })
  return {
    ...before,
    ...after,
    vars: both('vars'),
    options: both('options'),
    assert: [...listIn(before, 'assert'), ...listIn(after, 'assert')],
  }
}

const recordIn = (record: Config, key: string): Config => (isRecord(record[key]) ? record[key] : {})
const listIn = (record: Config, key: string): readonly unknown[] => {
  const value = record[key]
  return Array.isArray(value) ? value : []
}

const read = ['vars', 'assert', 'description', 'options']
const grouping = ['metadata']
/** Options of the judge, which matter only where one is asked: and then the assertion is lost already. */
const ofJudges = ['provider', 'rubricPrompt', 'factuality']

function merged(into: Imported, preset: Config, { at, test }: RawTest): PromptfooTest | undefined {
  const { vars } = test
  if (typeof vars === 'string') {
    into.lost(at, 'the test', `its variables are in ${vars}`)
    return undefined
  }
  const { vars: all, assert: asserted, description, options, ...rest } = joined(preset, test)
  for (const key of Object.keys(rest)) {
    if (grouping.includes(key)) into.noted(at, `the ${key}`, 'it only groups results')
    else if (!read.includes(key)) into.lost(at, `${key} of the test`, 'a case does not hold it')
  }
  const { disableVarExpansion, ...others } = options as Config
  for (const key of Object.keys(others)) {
    if (ofJudges.includes(key)) into.noted(at, `the option ${key}`, 'it is of judges only')
    else into.lost(at, `the option ${key}`, 'a case does not hold it')
  }
  return {
    at,
    vars: all as Config,
    assert: asserted as readonly unknown[],
    expandLists: disableVarExpansion !== true,
    ...(typeof description === 'string' ? { description } : {}),
  }
}
