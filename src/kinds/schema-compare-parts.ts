import { isRecord, own, pointerPart } from '../domain/diff'
import { compilePattern } from '../domain/pattern'
import type { Comparer, Place } from './schema-comparer'
import { sameMeaning } from './schema-equal'
import { branches, parts, type SchemaNode } from './schema-graph'

/** Keys: those that are named, those that fit a pattern, and the rest. */
export function compareProperties(comparer: Comparer, place: Place): void {
  const old = parts(place.old, 'properties')
  const now = parts(place.now, 'properties')
  for (const key of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
    const path = `${place.path}/properties/${pointerPart(key)}`
    const [was, is] = [own(old, key), own(now, key)]
    if (was === undefined)
      comparer.note(path, [was, is], isForeseen(comparer, place, key) ? 'key_added' : 'key_described_otherwise')
    else if (is === undefined)
      comparer.note(path, [was, is], isLeftOut(comparer, place) ? 'input_added' : 'key_removed')
    else comparer.compare(path, was, is)
  }
  comparePatterns(comparer, place)
  compareFurtherKeys(comparer, place)
}

/** What the old schema said of all further keys holds of the new key. */
function isForeseen(comparer: Comparer, { old, now }: Place, key: string): boolean {
  const further = old.additionalProperties
  if (comparer.given) return false
  if (!isRecord(further)) return true
  const isMatched = Object.keys(parts(old, 'patternProperties')).some((pattern) =>
    compilePattern(pattern, 'u').test(key),
  )
  return isMatched || comparer.proves(further, parts(now, 'properties')[key])
}

/** Callers give no key that their schema does not name, unless it names none or describes all further ones. */
const isLeftOut = ({ given }: Comparer, { now }: Place): boolean =>
  given && isRecord(now.properties) && !isRecord(now.additionalProperties)

function comparePatterns(comparer: Comparer, place: Place): void {
  const old = parts(place.old, 'patternProperties')
  const now = parts(place.now, 'patternProperties')
  const further = place.old.additionalProperties
  for (const pattern of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
    const path = `${place.path}/patternProperties/${pointerPart(pattern)}`
    const [was, is] = [own(old, pattern), own(now, pattern)]
    if (was !== undefined && is !== undefined) comparer.compare(path, was, is)
    else if (was !== undefined) comparer.note(path, [was, is], 'restriction_removed')
    else {
      const isForeseenToo = isRecord(further) ? comparer.proves(further, is) : !(comparer.given && further === false)
      comparer.note(path, [was, is], isForeseenToo ? 'restriction_added' : 'key_described_otherwise')
    }
  }
}

function compareFurtherKeys(comparer: Comparer, place: Place): void {
  const [old, now] = [place.old.additionalProperties ?? true, place.now.additionalProperties ?? true]
  const path = `${place.path}/additionalProperties`
  if (isClosed(place.old)) {
    if (!isClosed(place.now)) comparer.note(path, [old, now], 'opened')
  } else if (isClosed(place.now)) comparer.note(path, [old, now], 'closed')
  else comparer.compare(path, old, now)
}

const isClosed = (node: SchemaNode): boolean =>
  node.additionalProperties === false || node.unevaluatedProperties === false

/** Items by their place: those listed, then the rest. */
export function compareItems(comparer: Comparer, place: Place): void {
  const [old, now] = [tupleOf(place.old), tupleOf(place.now)]
  const length = Math.max(old.listed.length, now.listed.length)
  for (let index = 0; index < length; index += 1) {
    const path = `${place.path}/prefixItems/${index}`
    comparer.compare(path, old.listed[index] ?? old.rest, now.listed[index] ?? now.rest)
  }
  comparer.compare(`${place.path}/items`, old.rest, now.rest)
}

/** Draft-07 lists the first items in `items`, 2020-12 in `prefixItems`. */
function tupleOf(node: SchemaNode): { readonly listed: readonly unknown[]; readonly rest: unknown } {
  const { items, additionalItems, prefixItems } = node
  if (Array.isArray(items)) return { listed: items, rest: additionalItems ?? true }
  return { listed: Array.isArray(prefixItems) ? prefixItems : [], rest: items ?? true }
}

/** At least and at most so many items fit a schema. */
export function compareContains(comparer: Comparer, place: Place): void {
  const [old, now] = [place.old, place.now]
  const path = `${place.path}/contains`
  const values: [unknown, unknown] = [old.contains, now.contains]
  if (old.contains === undefined) {
    if (now.contains !== undefined) comparer.note(path, values, 'restriction_added')
    return
  }
  const least = Number(old.minContains ?? 1)
  const hasEnough = least === 0 || (now.contains !== undefined && Number(now.minContains ?? 1) >= least)
  const most = old.maxContains === undefined ? Number.POSITIVE_INFINITY : Number(old.maxContains)
  const hasNotTooMany = Number(now.maxContains ?? Number.POSITIVE_INFINITY) <= most
  const isSame = now.contains !== undefined && sameMeaning(comparer.sides, old.contains, now.contains)
  const isNarrower =
    most === Number.POSITIVE_INFINITY && now.contains !== undefined && comparer.proves(old.contains, now.contains)
  const isIdle = least === 0 && most === Number.POSITIVE_INFINITY
  if (!(hasEnough && hasNotTooMany && (isSame || isNarrower || isIdle))) {
    comparer.note(path, values, 'restriction_removed')
    return
  }
  const isMoved = ['minContains', 'maxContains'].some((keyword) => old[keyword] !== now[keyword])
  if (!isSame || isMoved) comparer.note(path, values, 'restriction_added')
}

/** The condition has to stay; its consequences are compared. */
export function compareCondition(comparer: Comparer, place: Place): void {
  const [old, now] = [place.old, place.now]
  const path = `${place.path}/if`
  if (old.if === undefined) {
    if (now.if !== undefined) comparer.note(path, [old.if, now.if], 'restriction_added')
    return
  }
  if (now.if === undefined || !sameMeaning(comparer.sides, old.if, now.if)) {
    comparer.note(path, [old.if, now.if], 'not_compared')
    return
  }
  for (const keyword of ['then', 'else']) {
    comparer.compare(`${place.path}/${keyword}`, old[keyword] ?? true, now[keyword] ?? true)
  }
}

/** What holds where a key is there: a list of further keys, or a schema. */
export function compareDependencies(comparer: Comparer, place: Place, keyword: string): void {
  const [old, now] = [parts(place.old, keyword), parts(place.now, keyword)]
  for (const key of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
    const path = `${place.path}/${keyword}/${pointerPart(key)}`
    const values: [unknown, unknown] = [own(old, key), own(now, key)]
    const [was, is] = values
    if (was === undefined) comparer.note(path, values, 'restriction_added')
    else if (Array.isArray(was)) {
      const kept = Array.isArray(is) && was.every((name) => is.includes(name))
      const isSame = kept && is.length === was.length
      if (!isSame) comparer.note(path, values, kept ? 'restriction_added' : 'restriction_removed')
    } else if (is === undefined || Array.isArray(is)) comparer.note(path, values, 'restriction_removed')
    else comparer.compare(path, was, is)
  }
}

/** Keys that are always there. */
export function compareRequired(comparer: Comparer, place: Place): void {
  const [old, now] = [branches(place.old, 'required').map(String), branches(place.now, 'required').map(String)]
  // Of a key that goes that is said already.
  const [were, are] = [parts(place.old, 'properties'), parts(place.now, 'properties')]
  const isGone = (key: string) => !comparer.given && own(were, key) !== undefined && own(are, key) === undefined
  const path = (key: string) => `${place.path}/required/${pointerPart(key)}`
  for (const key of old.filter((name) => !now.includes(name) && !isGone(name)))
    comparer.note(path(key), [key, undefined], 'key_optional')
  for (const key of now.filter((name) => !old.includes(name)))
    comparer.note(path(key), [undefined, key], 'key_required')
}
