import { isRecord } from '../../domain/diff'
import { compileSchema } from '../../kinds/schema-compile'
import { SchemaFault } from '../../kinds/schema-inline'
import { patternFault } from '../../kinds/schema-pattern'
import type { CaseCheck } from '../../scorers/checks'

/** An assertion as a check of its case, or why it cannot be one. */
export type ReadAssertion = { readonly check: CaseCheck } | { readonly fault: string }

/** Assertions of which one value, or several, are texts. */
const textual: Readonly<Record<string, Pick<CaseCheck, 'check' | 'ignoreCase'>>> = {
  contains: { check: 'contains-any' },
  icontains: { check: 'contains-any', ignoreCase: true },
  'contains-any': { check: 'contains-any' },
  'icontains-any': { check: 'contains-any', ignoreCase: true },
  'contains-all': { check: 'contains-all' },
  'icontains-all': { check: 'contains-all', ignoreCase: true },
  'starts-with': { check: 'starts-with' },
  regex: { check: 'matches' },
}

/** Why other assertions are not taken: each by what it would need. */
const faults: Readonly<Record<string, string>> = {
  javascript: 'it runs code of its own: write a scorer of it',
  python: 'it runs code of its own: write a scorer of it',
  ruby: 'it runs code of its own: write a scorer of it',
  webhook: 'it asks a server of its own',
  similar: 'it compares embeddings, and no scorer here does',
  cost: 'costs are measured in every evaluation and bounded by guardrails of the policy',
  latency: 'latencies are measured in every evaluation and bounded by guardrails of the policy',
}
const judged = [
  'llm-rubric',
  'model-graded-closedqa',
  'model-graded-factuality',
  'factuality',
  'g-eval',
  'answer-relevance',
]

const readKeys = ['type', 'value', 'weight', 'metric', 'threshold']
const plainVariable = /\{\{\s*([A-Za-z_]\w*)\s*\}\}/g

/**
 * Reads one assertion of https://promptfoo.dev/docs/configuration/expected-outputs/. Its value may name variables of the
 * test, which are put in, as promptfoo does.
 */
export function readAssertion(assertion: unknown, vars: Readonly<Record<string, unknown>>): ReadAssertion {
  if (!isRecord(assertion) || typeof assertion.type !== 'string') return { fault: 'it has no type' }
  const stray = Object.keys(assertion).find((key) => !readKeys.includes(key))
  if (stray !== undefined) return { fault: `a check does not hold its ${stray}` }
  const { type: written, value: given, weight } = assertion
  const not = written.startsWith('not-')
  const type = not ? written.slice('not-'.length) : written
  if (assertion.threshold !== undefined && type !== 'similar')
    return { fault: 'a check holds or not: it has no threshold' }
  if (weight === 0) return { fault: 'its weight is 0, so it only counts a metric' }
  const extra = { ...(not ? { not: true } : {}), ...(typeof weight === 'number' ? { weight } : {}) }
  const value = withVariables(given, vars)
  if (value instanceof Fault) return { fault: value.message }
  const read = readType(type, value)
  return 'fault' in read ? read : { check: { ...read.check, ...extra } }
}

function readType(type: string, value: unknown): ReadAssertion {
  if (judged.includes(type)) return { fault: 'a model judges it: pin a judge in the suite' }
  if (Object.hasOwn(faults, type)) return { fault: faults[type] ?? '' }
  if (typeof value === 'string' && value.startsWith('file://')) return { fault: `its value is in the file ${value}` }
  if (type === 'equals') {
    if (typeof value === 'object' && value !== null) return { check: { check: 'json-equals', value } }
    return value === undefined ? { fault: 'it has no value' } : { check: { check: 'equals', value: String(value) } }
  }
  if (type === 'is-json') return value === undefined || value === '' ? { check: { check: 'json' } } : schemaCheck(value)
  const known = Object.hasOwn(textual, type) ? textual[type] : undefined
  if (known === undefined) return { fault: `no check is the same as ${type}` }
  const texts = (Array.isArray(value) ? value : [value]).map((one) => (typeof one === 'number' ? String(one) : one))
  if (texts.length === 0 || !texts.every((one) => typeof one === 'string')) return { fault: 'its value is no text' }
  const check = { ...known, value: texts.length === 1 ? texts[0] : texts }
  return known.check === 'matches' ? patternCheck(check, texts) : { check }
}

function patternCheck(check: CaseCheck, patterns: readonly string[]): ReadAssertion {
  for (const pattern of patterns) {
    const fault = patternFault(pattern)
    if (fault !== undefined) return { fault: `its pattern ${fault}` }
  }
  return { check }
}

function schemaCheck(value: unknown): ReadAssertion {
  if (!isRecord(value)) return { fault: 'its schema is no object' }
  const fault = schemaFault(value)
  return fault === undefined ? { check: { check: 'json-schema', value } } : { fault: `its schema ${fault}` }
}

function schemaFault(schema: Readonly<Record<string, unknown>>): string | undefined {
  try {
    compileSchema(schema)
    return undefined
  } catch (error) {
    if (error instanceof SchemaFault) return error.message
    throw error
  }
}

class Fault extends Error {}

/** Templates of Nunjucks: plain variables are put in, anything else is a fault. */
export function withVariables(value: unknown, vars: Readonly<Record<string, unknown>>): unknown {
  if (Array.isArray(value)) {
    const all = value.map((one: unknown) => withVariables(one, vars))
    return all.find((one) => one instanceof Fault) ?? all
  }
  if (typeof value !== 'string' || !/\{[{%#]/.test(value)) return value
  const rest = value.replaceAll(plainVariable, '')
  if (/\{[{%#]/.test(rest)) return new Fault('its value is a template with logic')
  const missing = [...value.matchAll(plainVariable)].map(([, name = '']) => name).find((name) => !isText(vars[name]))
  if (missing !== undefined) return new Fault(`its value names {{${missing}}}, which the test does not give as text`)
  return value.replaceAll(plainVariable, (_, name: string) => String(vars[name]))
}

const isText = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)

const fromText = /^(not-)?([a-z-]+)(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?$/
const listed = ['contains-all', 'contains-any', 'icontains-all', 'icontains-any']
const knownTypes = [
  ...Object.keys(textual),
  ...Object.keys(faults),
  ...judged,
  'equals',
  'is-json',
  'contains-json',
  'levenshtein',
  'rouge-n',
  'is-xml',
  'is-sql',
  'moderation',
  'classifier',
  'perplexity',
]

/** `contains: x` of a CSV column `__expected`; anything else is the text that the output has to equal. */
export function assertionOfText(text: string): Readonly<Record<string, unknown>> {
  const [, not = '', type = '', threshold, value] = fromText.exec(text) ?? []
  const named = { fn: 'javascript', eval: 'javascript', grade: 'llm-rubric' }[type] ?? type
  if (text.startsWith('file://')) return { type: 'javascript', value: text }
  if (!knownTypes.includes(named)) return { type: 'equals', value: text }
  const held = listed.includes(named) ? value?.split(',').map((one) => one.trim()) : value
  return {
    type: `${not}${named}`,
    ...(held === undefined ? {} : { value: held }),
    ...(threshold === undefined ? {} : { threshold: Number(threshold) }),
  }
}
