import { isRecord } from '../domain/diff'
import type { Comparer, Place } from './schema-comparer'
import { sameMeaning } from './schema-equal'
import { areDisjoint } from './schema-facts'
import { assertions, branches, type Conjunct } from './schema-graph'

/** Schemas such that every value of the new node fits one of them. */
export function alternatives(after: unknown, meaning: readonly Conjunct[]): readonly unknown[] {
  for (const conjunct of meaning) {
    const beside = meaning.filter((other) => other !== conjunct).map(({ keywords }) => keywords)
    for (const union of ['anyOf', 'oneOf']) {
      const { [union]: list, ...rest } = conjunct.keywords
      if (Array.isArray(list)) return list.map((branch: unknown) => allOf([rest, branch, ...beside]))
    }
    const { type, ...rest } = conjunct.keywords
    if (Array.isArray(type)) return type.map((one: unknown) => allOf([{ type: one, ...rest }, ...beside]))
  }
  return [after]
}

function allOf(nodes: readonly unknown[]): unknown {
  const speaking = nodes.filter((node) => !isRecord(node) || assertions(node).length > 0)
  return speaking.length === 1 ? speaking[0] : { allOf: speaking }
}

/** Every alternative of the new node fits a branch of the old one. */
export function compareAnyOf(comparer: Comparer, place: Place, keyword: string): void {
  const old = branches(place.old, keyword)
  const ways = alternatives(place.after, comparer.sides.after.meaning(place.after) || [])
  const path = `${place.path}/${keyword}`
  const fits = ways.every((way, index) => inTurn(old, index).some((branch) => comparer.proves(branch, way)))
  const listed = branches(place.now, keyword)
  const values: [unknown, unknown] = [place.old[keyword], place.now[keyword]]
  if (listed.length !== old.length) {
    comparer.note(path, values, fits ? 'branches_narrowed' : 'branches_widened')
    return
  }
  // An alternative on its own is easier to read than with all that stands beside it, where it tells enough.
  const told = old.map((branch, index) =>
    !fits || comparer.proves(branch, listed[index]) ? listed[index] : ways[index],
  )
  const isPaired = old.every((branch, index) => comparer.proves(branch, told[index]))
  if (fits && !isPaired) {
    comparer.note(path, values, 'reordered')
    return
  }
  const breaks = comparer.breaks(() => {
    for (const [index, branch] of old.entries()) comparer.compare(`${path}/${index}`, branch, told[index])
  })
  if (!fits && !breaks) comparer.note(path, values, 'branches_widened')
}

/** Where the old branches exclude each other, one of them is as good as any of them. */
export function compareOneOf(comparer: Comparer, place: Place, keyword: string): void {
  const { sides } = comparer
  const [old, now] = [branches(place.old, keyword), branches(place.now, keyword)]
  const isSame = old.length === now.length && old.every((branch, index) => sameMeaning(sides, branch, now[index]))
  const areApart = () =>
    old.every((branch, index) => old.slice(0, index).every((other) => areDisjoint(sides.before, branch, other)))
  if (isSame || areApart()) compareAnyOf(comparer, place, keyword)
  else comparer.note(`${place.path}/${keyword}`, [place.old[keyword], place.now[keyword]], 'not_compared')
}

/** All of a list, the one at `index` first. */
const inTurn = <T>(list: readonly T[], index: number): readonly T[] => [
  ...list.slice(index, index + 1),
  ...list.slice(0, index),
  ...list.slice(index + 1),
]
