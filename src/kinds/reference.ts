import { isRecord, own } from '../domain/diff'
import { assert } from '../errors'

/** A copy of a draft or content in which each of these places holds the given reference. */
export function withReferences(
  draft: unknown,
  references: readonly { readonly path: readonly string[]; readonly ref: string }[],
): unknown {
  if (references.length === 0) return draft
  const copy: unknown = structuredClone(draft)
  for (const { path, ref } of references) {
    const partOf = (node: unknown, key: string) => (isContainer(node) ? own(node, key) : undefined)
    const holder = path.slice(0, -1).reduce<unknown>(partOf, copy)
    const key = path.at(-1)
    assert(isContainer(holder) && key !== undefined, `the reference at ${path.join('/')} stands in its draft`)
    Object.assign(holder, { [key]: ref })
  }
  return copy
}

/** An object, or a list, whose keys are its places. */
const isContainer = (node: unknown): node is Readonly<Record<string, unknown>> => isRecord(node) || Array.isArray(node)
