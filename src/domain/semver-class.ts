import { compare, inc, lt, major, minor, prerelease, rcompare } from 'semver'
import type { ChangeClass } from './version'

/**
 * What a new label is held against: the highest lower release. Pre-releases promise nothing, so they are never a base;
 * undefined for the first release.
 */
export function baseOf(label: string, existing: readonly string[]): string | undefined {
  const lower = existing.filter((other) => prerelease(other) === null && lt(other, label))
  return [...lower].sort(rcompare)[0]
}

/** The lowest higher release, which is held against a label that is registered below it; none for a pre-release. */
export function successorOf(label: string, existing: readonly string[]): string | undefined {
  if (prerelease(label) !== null) return undefined
  const higher = existing.filter((other) => prerelease(other) === null && lt(label, other))
  return [...higher].sort(compare)[0]
}

/**
 * Whether `label` says less than the class of the change since `base`. A breaking change raises the major number,
 * below 1.0.0 at least the minor one; anything else only has to be higher.
 */
export function understates(label: string, base: string, changeClass: ChangeClass): boolean {
  if (changeClass !== 'breaking') return false
  if (major(label) !== major(base)) return false
  return major(base) > 0 || minor(label) === minor(base)
}

/** The next free label that a breaking change may take. */
export const suggestLabel = (base: string, existing: readonly string[]): string => nextLabel('major', base, existing)

/** Which number of a semver a change raises. */
export type Bump = 'none' | 'patch' | 'minor' | 'major'
const bumps: readonly Bump[] = ['none', 'patch', 'minor', 'major']

/** The number that a change raises at least; what others depend on may be more without breaking. */
export function bumpOf(changeClass: ChangeClass, interfaceMoved: boolean): Bump {
  if (changeClass === 'none') return 'none'
  if (changeClass === 'breaking') return 'major'
  return interfaceMoved ? 'minor' : 'patch'
}

export const highestBump = (all: readonly Bump[]): Bump => bumps.findLast((bump) => all.includes(bump)) ?? 'none'

/** The next free label after all there are. Below 1.0.0 a breaking change raises the minor number. */
export function nextLabel(bump: Bump, base: string, existing: readonly string[]): string {
  const highest = [base, ...existing.filter((label) => prerelease(label) === null)].sort(rcompare)[0] ?? base
  if (bump === 'none') return base
  return inc(highest, bump === 'major' && major(highest) === 0 ? 'minor' : bump) ?? highest
}

/** Text that sorts as the labels do: releases and the numbers of pre-releases by value. */
export function sortKeyOf(label: string): string {
  const [numbers = '', ...rest] = label.split('-')
  const padded = (text: string) => (/^\d+$/.test(text) ? text.padStart(labelDigits, '0') : text)
  const release = numbers.split('.').map(padded).join('.')
  // `~` sorts after `-`, so a release comes after its pre-releases.
  return rest.length === 0 ? `${release}~` : `${release}-${rest.join('-').split('.').map(padded).join('.')}`
}
const labelDigits = 16

export const byLabel = (a: string, b: string): number => compare(a, b)
