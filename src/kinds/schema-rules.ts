import type { ClassedChange } from '../domain/diff'

export interface SchemaRule {
  readonly class: ClassedChange['class']
  /** What it means for those who read outputs; empty where the difference speaks for itself. */
  readonly means: string
}

const safe = (means: string): SchemaRule => ({ class: 'safe', means })
const breaking = (means: string): SchemaRule => ({ class: 'breaking', means })

/** Why a difference of two output schemas is safe or breaking. A code is stable: programs switch on it. */
export const schemaRules = {
  key_added: safe('readers ignore a key that they do not know'),
  key_required: safe('it is always there now'),
  type_narrowed: safe('no other type can occur than before'),
  values_narrowed: safe('no other value can occur than before'),
  bound_tightened: safe('no value can occur that was out of bounds before'),
  restriction_added: safe('one more thing holds of every value'),
  closed: safe('no further keys occur any more'),
  branches_narrowed: safe('whatever fits now fitted before'),
  annotation: safe(''),
  reordered: safe('the order says nothing'),
  key_removed: breaking('readers of it find nothing'),
  key_optional: breaking('readers may find it missing'),
  key_described_otherwise: breaking('what was said of all further keys does not hold of it'),
  type_widened: breaking('a type can occur that did not before'),
  values_widened: breaking('a value can occur that did not before'),
  bound_loosened: breaking('a value can occur that was out of bounds before'),
  restriction_removed: breaking('what held of every value need not hold any more'),
  opened: breaking('keys can occur that were ruled out'),
  branches_widened: breaking('something can occur that fitted no branch before'),
  not_compared: breaking('what it means cannot be compared part by part'),
  dialect_changed: breaking('the same words mean something else'),
  too_large: breaking('the schemas are too large to be compared'),
} as const satisfies Record<string, SchemaRule>

export type SchemaRuleName = keyof typeof schemaRules

/** The same for those who give values to us, such as the arguments of a tool: for them all stands the other way round. */
export const inputRules = {
  input_added: safe('who does not know it leaves it out'),
  input_optional: safe('it may be left out now'),
  input_kept: safe('all that was taken still is'),
  annotation: safe(''),
  input_removed: breaking('callers still give it'),
  input_required: breaking('it must be given now'),
  input_refused: breaking('something that was taken may be refused now'),
} as const satisfies Record<string, SchemaRule>

export type InputRuleName = keyof typeof inputRules

/** Where a rule is only that a key is always there, or not, the key alone says what changed. */
export const rulesOfPresence: readonly string[] = ['key_required', 'key_optional', 'input_required', 'input_optional']

/** What a rule for readers, found with the schemas the other way round, is for callers. */
export function inputRuleOf(rule: SchemaRuleName): InputRuleName {
  return byReaderRule[rule] ?? (schemaRules[rule].class === 'safe' ? 'input_kept' : 'input_refused')
}

const byReaderRule: { readonly [rule in SchemaRuleName]?: InputRuleName } = {
  annotation: 'annotation',
  key_required: 'input_optional',
  key_optional: 'input_required',
  key_added: 'input_removed',
  key_described_otherwise: 'input_removed',
}
