import { valid } from 'semver'
import { SluiceError } from '../errors'
import { type Digest, type KindName, kindNames, type Ref } from './version'

const digestPattern = /^sha256:[0-9a-f]{64}$/
const refPattern = /^(?:([a-z]+)\/)?([a-z0-9][a-z0-9._-]{0,99})@(\S+)$/

export const isDigest = (text: string): text is Digest => digestPattern.test(text)

/**
 * Reads `kind/name@semver`, `kind/name@sha256:…`, or the same without the kind where its position implies one.
 * Throws `malformed_ref`, and `unknown_kind` for a kind that does not exist.
 */
export function parseRef(text: string, implied?: KindName): Ref {
  const [, written, name, version] = refPattern.exec(text) ?? []
  if (name === undefined || version === undefined || !(isDigest(version) || isLabel(version))) {
    const form = implied === undefined ? 'kind/name@semver' : `name@semver or ${implied}/name@semver`
    throw new SluiceError('malformed_ref', `${text} is no reference: write ${form}.`, { ref: text })
  }
  const kind = kindNames.find((candidate) => candidate === (written ?? implied))
  if (kind === undefined) {
    if (written === undefined) throw new SluiceError('malformed_ref', `${text} names no kind: write kind/${text}.`)
    throw new SluiceError('unknown_kind', `${written} in ${text} is no artifact kind.`, { kinds: kindNames })
  }
  if (implied !== undefined && kind !== implied) {
    throw new SluiceError('malformed_ref', `${text} is a ${kind} where a ${implied} belongs.`, { ref: text })
  }
  return { kind, name, version }
}

/** A semver in its canonical form; build metadata is refused, since two builds would compare as equal. */
export const isLabel = (text: string): boolean => valid(text) === text && text.length <= maxLabelLength
const maxLabelLength = 64
