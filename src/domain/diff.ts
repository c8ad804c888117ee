import { diffLines } from './line-diff'
import type { Change, ChangeClass, Digest, KindName } from './version'

/** A difference with what it means for those who depend on the artifact. */
export interface ClassedChange extends Change {
  readonly class: 'safe' | 'breaking'
  /** Which rule of its kind says so, where the kind has rules; stable, for programs. */
  readonly rule?: string
}

export interface VersionDiff {
  readonly from: string
  readonly to: string
  readonly changeClass: ChangeClass
  readonly changes: readonly ClassedChange[]
}

/** What moves in one role; `from` or `to` is absent where the role is new or gone. */
export interface RoleDiff {
  readonly role: string
  readonly kind: KindName
  readonly from?: string
  readonly to?: string
  readonly changeClass: ChangeClass
  readonly changes: readonly ClassedChange[]
}

/** Roles that differ; those that are equal are left out. */
export interface CompositeDiff {
  readonly from: Digest
  readonly to: Digest
  readonly changeClass: ChangeClass
  readonly roles: readonly RoleDiff[]
}

/** The class of a whole diff: the highest of its changes. */
export function classOf(changes: readonly ClassedChange[]): ChangeClass {
  if (changes.length === 0) return 'none'
  return changes.some((change) => change.class === 'breaking') ? 'breaking' : 'safe'
}

/** Says what a change means; most kinds need only the path. */
export type Classify = (change: Change) => ClassedChange['class']

/** Differences beyond this many are summed up in one last change. */
export const maxChanges = 500

/**
 * Structural differences of two JSON values as changes at JSON pointers (RFC 6901), in the order of the sorted keys.
 * Arrays are compared place by place. Empty exactly where the values are equal as JSON.
 */
export function diffJson(before: unknown, after: unknown, classify: Classify): readonly ClassedChange[] {
  const changes: Change[] = []
  collect('', before, after, changes)
  const shown = changes.slice(0, maxChanges).map((change) => ({ ...change, class: classify(change) }))
  const rest = changes.slice(maxChanges)
  if (rest.length === 0) return shown
  const worst = rest.some((change) => classify(change) === 'breaking') ? 'breaking' : 'safe'
  return [...shown, { path: '', change: 'changed', text: `and ${rest.length} more changes`, class: worst }]
}

function collect(path: string, before: unknown, after: unknown, changes: Change[]): void {
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    for (const key of keys) collect(`${path}/${pointerPart(key)}`, own(before, key), own(after, key), changes)
    return
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length)
    for (let place = 0; place < length; place += 1) collect(`${path}/${place}`, before[place], after[place], changes)
    return
  }
  if (sameJson(before, after)) return
  changes.push(describeChange(path, before, after))
}

const dotted = (path: string): string => (path === '' ? 'content' : path.slice(1).replaceAll('/', '.'))

/** One change in words; long texts as a diff of lines. `name` is what people call the place. */
export function describeChange(path: string, before: unknown, after: unknown, name = dotted(path)): Change {
  if (before === undefined) return { path, change: 'added', after, text: `${name} added: ${shortJson(after)}` }
  if (after === undefined) return { path, change: 'removed', before, text: `${name} removed: ${shortJson(before)}` }
  if (typeof before === 'string' && typeof after === 'string' && isLong(before, after)) {
    return { path, change: 'changed', before, after, text: `${name} changed:\n${diffLines(before, after).join('\n')}` }
  }
  return { path, change: 'changed', before, after, text: `${name}: ${shortJson(before)} → ${shortJson(after)}` }
}

const shortLength = 60
const isLong = (...texts: readonly string[]): boolean =>
  texts.some((text) => text.length > shortLength || text.includes('\n'))

/** JSON text cut to a readable length; digests to their first digits. */
export function shortJson(value: unknown): string {
  if (typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value)) return value.slice(0, 'sha256:'.length + 12)
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= shortLength ? text : `${text.slice(0, shortLength)}…`
}

export const pointerPart = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The own value of a key: a key such as `constructor` is not looked up in the prototype. */
export const own = (record: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** Equality as JSON: key order does not matter, array order does. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b) || (a === 0 && b === 0)) return true
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, place) => sameJson(value, b[place]))
  }
  if (!isRecord(a) || !isRecord(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
}
