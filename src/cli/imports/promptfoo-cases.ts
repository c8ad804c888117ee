import { maxInlineRows } from '../../kinds/dataset'
import type { CaseCheck } from '../../scorers/checks'
import { malformed } from '../workspace-file'
import type { Imported } from './importer'
import { readAssertion } from './promptfoo-checks'
import type { PromptfooTest } from './promptfoo-tests'
import type { ImportSource } from './source'

interface Place {
  readonly source: ImportSource
  readonly into: Imported
  readonly file: string
}

type Vars = Readonly<Record<string, unknown>>

/**
 * Tests as rows of a dataset. Lists among the variables make a case each, in one group: they are not independent of one
 * another. Assertions that are no checks are lost; a test of which none is left says nothing and is lost as a whole.
 */
export function casesOf(place: Place, tests: readonly PromptfooTest[], variables: readonly string[]) {
  const { into } = place
  const rows: Readonly<Record<string, unknown>>[] = []
  for (const [number, test] of tests.entries()) {
    const group = `${number + 1}`.padStart(4, '0')
    const sets = expand(place, test)
    for (const [place, input] of sets.entries()) {
      const checks = checksOf(into, test, input)
      const missing = variables.find((name) => !Object.hasOwn(input, name))
      if (checks.length === 0) into.lost(test.at, 'the test', 'it asserts nothing that can be checked')
      else if (missing !== undefined) into.lost(test.at, 'the test', `it gives no value for {{${missing}}}`)
      else rows.push(caseOf({ id: sets.length === 1 ? group : `${group}.${place + 1}`, group, input, checks, test }))
      if (rows.length > maxInlineRows) throw malformed(test.at, undefined, `makes more than ${maxInlineRows} cases`)
    }
  }
  return rows
}

interface Case {
  readonly id: string
  readonly group: string
  readonly input: Vars
  readonly checks: readonly CaseCheck[]
  readonly test: PromptfooTest
}

const caseOf = ({ id, group, input, checks, test: { description } }: Case) => ({
  id,
  group,
  ...(description === undefined ? {} : { description }),
  input,
  expected: { checks },
})

function checksOf(into: Imported, { at, assert }: PromptfooTest, vars: Vars): readonly CaseCheck[] {
  return assert.flatMap((assertion) => {
    const read = readAssertion(assertion, vars)
    if ('check' in read) return [read.check]
    const type = (assertion as { readonly type?: unknown } | undefined)?.type
    into.lost(at, `the assertion ${String(type)}`, read.fault)
    return []
  })
}

/** Every combination of the variables that are lists. */
function expand({ source, into }: Place, { at, vars, expandLists }: PromptfooTest): readonly Vars[] {
  let sets: readonly Vars[] = [{}]
  for (const [name, value] of Object.entries(vars)) {
    const values = Array.isArray(value) && expandLists ? (value as readonly unknown[]) : [value]
    if (sets.length * values.length > maxInlineRows)
      throw malformed(at, undefined, `makes more than ${maxInlineRows} cases`)
    sets = values.flatMap((one) => {
      const held = heldValue(source, one)
      if (held === undefined) into.lost(at, `the variable ${name}`, 'its value is made by a program')
      return held === undefined ? [] : sets.map((set) => Object.fromEntries([...Object.entries(set), [name, held]]))
    })
  }
  return sets
}

/** Texts of files are put in; anything but a text, number or boolean is rendered as JSON, as promptfoo does. */
function heldValue(source: ImportSource, value: unknown): string | number | boolean | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value !== 'string') return JSON.stringify(value)
  if (!value.startsWith('file://')) return value
  const path = value.slice('file://'.length)
  return /\.(txt|md|json|ya?ml|csv|html)$/.test(path) ? source.text(path).trim() : undefined
}
