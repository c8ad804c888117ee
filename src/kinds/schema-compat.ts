import { type ClassedChange, describeChange, isRecord, own, pointerPart, sameJson } from '../domain/diff'
import { annotations, identities, sameShape } from './schema-shape'

/**
 * What a change of an output schema means for those who read outputs. A change is safe where every output of the new
 * schema was an output of the old one, or where a key was only added (readers ignore keys they do not know); whatever
 * is not understood counts as breaking, so the class is never understated. Both schemas have their references inlined.
 */
export function compareSchemas(before: unknown, after: unknown): readonly ClassedChange[] {
  const changes: ClassedChange[] = []
  compareNode({ path: '', changes, given: false }, before, after)
  return changes
}

/**
 * What a change of a schema of arguments means for those who give them: the other way round. It is safe where every
 * value that was taken still is; callers give no keys that the schema does not name, so a new key may be left out.
 */
export function compareInputs(before: unknown, after: unknown): readonly ClassedChange[] {
  const changes: ClassedChange[] = []
  compareNode({ path: '', changes, given: true }, after, before)
  return changes
}

/**
 * Comparisons ask whether the second schema lets out no more than the first. Where values are given instead (`given`),
 * the schemas stand the other way round, and only what is said of a change turns back.
 */
interface Scope {
  readonly path: string
  readonly changes: ClassedChange[]
  readonly given: boolean
}
type Node = Readonly<Record<string, unknown>>
type CompareKeyword = (scope: Scope, before: Node, after: Node, keyword: string) => void

function note(scope: Scope, keyword: string, values: readonly [unknown, unknown], risk: ClassedChange['class']): void {
  const path = keyword === '' ? scope.path : `${scope.path}/${pointerPart(keyword)}`
  const [before, after] = scope.given ? [values[1], values[0]] : values
  scope.changes.push({ ...describeChange(path, before, after), class: risk })
}

const within = (scope: Scope, path: string): Scope => ({ ...scope, path: `${scope.path}/${path}` })

function compareNode(scope: Scope, before: unknown, after: unknown): void {
  if (sameJson(before, after)) return
  if (before === true || (isRecord(before) && Object.keys(before).length === 0)) {
    note(scope, '', [before, after], 'safe')
    return
  }
  if (!isRecord(before) || !isRecord(after)) {
    note(scope, '', [before, after], 'breaking')
    return
  }
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)])
  for (const keyword of [...keywords].sort()) {
    if (identities.includes(keyword) || sameJson(own(before, keyword), own(after, keyword))) continue
    compareKeyword(keyword)(scope, before, after, keyword)
  }
}

function compareKeyword(keyword: string): CompareKeyword {
  if (annotations.includes(keyword)) return always('safe')
  return Object.hasOwn(comparisons, keyword) ? (comparisons[keyword] ?? opaque) : opaque
}

const always =
  (risk: ClassedChange['class']): CompareKeyword =>
  (scope, before, after, keyword) =>
    note(scope, keyword, [own(before, keyword), own(after, keyword)], risk)

/** A keyword whose meaning cannot be compared part by part: any difference but of annotations breaks. */
const opaque: CompareKeyword = (scope, before, after, keyword) => {
  const isSame = sameShape(own(before, keyword), own(after, keyword))
  always(isSame ? 'safe' : 'breaking')(scope, before, after, keyword)
}

/** A keyword that takes values away: adding it narrows; changing or removing it may widen. */
const restriction: CompareKeyword = (scope, before, after, keyword) =>
  always(Object.hasOwn(before, keyword) ? 'breaking' : 'safe')(scope, before, after, keyword)

/** A bound: moving it inwards narrows. */
const bound =
  (isTighter: (before: number, after: number) => boolean): CompareKeyword =>
  (scope, before, after, keyword) => {
    const old = own(before, keyword)
    const now = own(after, keyword)
    const narrows = typeof now === 'number' && (old === undefined || (typeof old === 'number' && isTighter(old, now)))
    note(scope, keyword, [old, now], narrows ? 'safe' : 'breaking')
  }
const lower = bound((before, after) => after >= before)
const upper = bound((before, after) => after <= before)

const compareType: CompareKeyword = (scope, before, after) => {
  const old = typesOf(before)
  const now = typesOf(after)
  const fits = (type: unknown) =>
    old === undefined || old.includes(type) || (type === 'integer' && old.includes('number'))
  note(scope, 'type', [before.type, after.type], now?.every(fits) ? 'safe' : 'breaking')
}

function typesOf({ type }: Node): readonly unknown[] | undefined {
  if (type === undefined) return undefined
  return Array.isArray(type) ? type : [type]
}

/** The values a node lists; undefined where it lists none. */
const listed = (node: Node): readonly unknown[] | undefined => {
  if (Object.hasOwn(node, 'const')) return [node.const]
  return Array.isArray(node.enum) ? node.enum : undefined
}

const compareEnum: CompareKeyword = (scope, before, after, keyword) => {
  const old = listed(before)
  const now = listed(after)
  const isKnown = (value: unknown) => old === undefined || old.some((other) => sameJson(other, value))
  const values: [unknown, unknown] = [own(before, keyword), own(after, keyword)]
  note(scope, keyword, values, now?.every(isKnown) ? 'safe' : 'breaking')
}

const compareRequired: CompareKeyword = (scope, before, after) => {
  const old = Array.isArray(before.required) ? before.required : []
  const now = Array.isArray(after.required) ? after.required : []
  for (const key of old.filter((name) => !now.includes(name))) {
    scope.changes.push(requiredChange(scope, String(key), 'removed'))
  }
  for (const key of now.filter((name) => !old.includes(name))) {
    scope.changes.push(requiredChange(scope, String(key), 'added'))
  }
}

function requiredChange({ path, given }: Scope, key: string, change: 'added' | 'removed'): ClassedChange {
  const place = `${path}/required/${pointerPart(key)}`
  if (given) {
    return change === 'added'
      ? { path: place, change: 'removed', text: `${key} may be left out now`, class: 'safe' }
      : { path: place, change: 'added', text: `${key} must be given now`, class: 'breaking' }
  }
  return change === 'added'
    ? { path: place, change, text: `${key} is always present now`, class: 'safe' }
    : { path: place, change, text: `${key} may be absent now`, class: 'breaking' }
}

const compareProperties: CompareKeyword = (scope, before, after) => {
  const old = isRecord(before.properties) ? before.properties : {}
  const now = isRecord(after.properties) ? after.properties : {}
  // A key that only one side names is one that readers, or callers, of the earlier schema do not know, unless it
  // described the rest of the keys.
  const earlier = scope.given ? after : before
  const described = earlier.patternProperties !== undefined || isRecord(earlier.additionalProperties)
  const added = described ? 'breaking' : 'safe'
  for (const key of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
    const inner = within(scope, `properties/${pointerPart(key)}`)
    const was = own(old, key)
    const is = own(now, key)
    if (was === undefined) note(inner, '', [undefined, is], scope.given ? 'breaking' : added)
    else if (is === undefined) note(inner, '', [was, undefined], scope.given ? added : 'breaking')
    else compareNode(inner, was, is)
  }
}

/** `additionalProperties`, `items`: a schema for the rest; absent and `true` mean anything. */
const compareRest: CompareKeyword = (scope, before, after, keyword) => {
  const old = own(before, keyword) ?? true
  const now = own(after, keyword) ?? true
  const inner = within(scope, keyword)
  if (Array.isArray(old) || Array.isArray(now) || before.prefixItems !== undefined) {
    opaque(scope, before, after, keyword)
  } else if (now === false) note(inner, '', [old, now], 'safe')
  else compareNode(inner, old, now)
}

/** Unions and intersections narrow where each branch does; a union also where it loses one. */
const compareBranches: CompareKeyword = (scope, before, after, keyword) => {
  const old = own(before, keyword)
  const now = own(after, keyword)
  if (!Array.isArray(old) || !Array.isArray(now)) return restriction(scope, before, after, keyword)
  if (old.length === now.length) {
    for (const [place, branch] of now.entries()) {
      compareNode(within(scope, `${keyword}/${place}`), old[place], branch)
    }
    return
  }
  const [fewer, more] = keyword === 'anyOf' ? [now, old] : [old, now]
  const narrows = fewer.every((branch) => more.some((other) => sameShape(branch, other)))
  note(scope, keyword, [old, now], narrows ? 'safe' : 'breaking')
}

const comparisons: Readonly<Record<string, CompareKeyword>> = {
  type: compareType,
  enum: compareEnum,
  const: compareEnum,
  required: compareRequired,
  properties: compareProperties,
  additionalProperties: compareRest,
  items: compareRest,
  anyOf: compareBranches,
  allOf: compareBranches,
  minimum: lower,
  exclusiveMinimum: lower,
  minLength: lower,
  minItems: lower,
  minProperties: lower,
  maximum: upper,
  exclusiveMaximum: upper,
  maxLength: upper,
  maxItems: upper,
  maxProperties: upper,
  pattern: restriction,
  format: restriction,
  multipleOf: restriction,
  uniqueItems: restriction,
}
