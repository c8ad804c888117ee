import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { wellFormed } from '../domain/text'
import type { Digest } from '../domain/version'
import { assert } from '../errors'

/** RFC 8785 text of a JSON value. Throws on what JSON cannot carry (NaN, functions, cycles). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  assert(text !== undefined, 'value has a canonical JSON form')
  return text
}

/** `sha256:` + 64 hex digits over the RFC 8785 form of the value. */
export const digestOf = (value: unknown): Digest => textDigest(canonicalJson(value))

/** `sha256:` + 64 hex digits over the bytes as they are; a text as UTF-8. */
export const textDigest = (text: string | Uint8Array): Digest =>
  `sha256:${createHash('sha256').update(text).digest('hex')}`

/** Drops what JSON cannot carry (undefined members), so that the stored value hashes like the given one. */
export const jsonOnly = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? {}))

/** A new link of a hash chain, as the store keeps it: whoever reads it back recomputes the hash from what is stored. */
export function chained<T extends object>(
  prev: string,
  value: T,
): T & { readonly prev: string; readonly hash: string } {
  const kept = wellFormed(value)
  return { ...kept, prev, hash: chainHash(prev, kept) }
}

/** The link of a hash chain: binds `value` to everything before it. The first link's `prev` is the empty string. */
export function chainHash(prev: string, value: unknown): string {
  return digestOf({ prev, value })
}
