/// <reference lib="es2024.string" />
import { SluiceError } from '../errors'

const maxIdLength = 256

/**
 * Refuses an id that cannot be hashed the same way everywhere: empty, over 256 UTF-16 units, with NUL (the
 * separator) or a lone surrogate (no UTF-8 form).
 */
export function assertId(name: string, id: string): void {
  assertIdLength(name, id)
  if (id.includes('\0')) throw idError(name, 'contains NUL')
  if (!id.isWellFormed()) throw idError(name, 'contains a lone surrogate')
}

/** Whether `assertId` takes it. */
export const isId = (id: unknown): boolean =>
  typeof id === 'string' && id.length > 0 && id.length <= maxIdLength && !id.includes('\0') && id.isWellFormed()

/** The part of `assertId` that looks at no letter. */
export function assertIdLength(name: string, id: string): void {
  // Callers without types hand in whatever their database holds.
  if (typeof id !== 'string') throw idError(name, 'is not a string')
  if (id.length === 0) throw idError(name, 'is empty')
  if (id.length > maxIdLength) throw idError(name, 'is too long')
}

const idError = (name: string, fault: string): SluiceError =>
  new SluiceError('invalid_id', `The ${name} id ${fault}.`, { name })

/** MurmurHash3_x86_32 of the UTF-8 form of `text`, seed 0, as an unsigned 32-bit number. */
export function murmur3(text: string): number {
  return hashOf(nothing, text, undefined, false) >>> 0
}

/**
 * Bucket 0..9999 of a unit of assignment: floor(murmur3(salt NUL tenant [NUL conversation]) × 10000 / 2³²).
 * Without `conversation` the whole tenant is the unit. Published vectors: test/vectors/bucket.json.
 * Throws invalid_id for NUL or a lone surrogate in `tenant` or `conversation`.
 */
export function bucketOf(salt: string, tenant: string, conversation?: string): number {
  return bucketAfter(hashedSalt(salt), tenant, conversation)
}

/** What hashing has come to behind some bytes: the hash of the whole words, the bits left over, and the length. */
export interface HashState {
  readonly hash: number
  readonly word: number
  readonly filled: number
  readonly length: number
}

const nothing: HashState = { hash: 0, word: 0, filled: 0, length: 0 }

/** The hash behind a salt and its NUL: it is the same for every request under one allocation. */
export function hashedSalt(salt: string): HashState {
  let { hash, word, filled, length } = nothing
  for (const character of `${salt}\0`) {
    const bytes = utf8(character.codePointAt(0) as number)
    const size = sizeOf(character.codePointAt(0) as number)
    length += size
    word |= bytes << filled
    filled += size * 8
    if (filled < 32) continue
    hash = absorbed(hash, word)
    filled -= 32
    word = filled === 0 ? 0 : bytes >>> (size * 8 - filled)
  }
  return { hash, word, filled, length }
}

/** `bucketOf` with the salt hashed before. */
export function bucketAfter(salt: HashState, tenant: string, conversation: string | undefined): number {
  return Math.floor(((hashOf(salt, tenant, conversation, true) >>> 0) * 10_000) / 0x1_0000_0000)
}

/**
 * MurmurHash3_x86_32 (Appleby, public domain), seed 0, of what `state` has behind it and one or two texts in UTF-8 with
 * NUL between them, as a signed number, which needs no memory. It runs at every request: no byte string is built, ASCII
 * goes by fours, and ids, whose every letter it sees, are refused here rather than looked through once more.
 */
function hashOf(state: HashState, first: string, second: string | undefined, areIds: boolean): number {
  let { hash, word, filled, length } = state
  for (let text = first, isLast = second === undefined; ; text = second as string, isLast = true) {
    const end = isLast ? text.length : text.length + 1
    for (let index = 0; index < end; ) {
      for (; index + 4 <= text.length; index += 4) {
        const one = text.charCodeAt(index)
        const two = text.charCodeAt(index + 1)
        const three = text.charCodeAt(index + 2)
        const last = text.charCodeAt(index + 3)
        if ((one | two | three | last) >= 0x80) break
        const four = one | (two << 8) | (three << 16) | (last << 24)
        if (((four - 0x01010101) & 0x80808080) !== 0) break
        hash = absorbed(hash, word | (four << filled))
        word = filled === 0 ? 0 : four >>> (32 - filled)
        length += 4
      }
      if (index === end) break
      const point = index < text.length ? (text.codePointAt(index) as number) : 0
      if (areIds && index < text.length && isUnfit(point)) assertId(isLast && second ? 'conversation' : 'tenant', text)
      const bytes = utf8(point)
      const size = sizeOf(point)
      index += size === 4 ? 2 : 1
      length += size
      word |= bytes << filled
      filled += size * 8
      if (filled < 32) continue
      hash = absorbed(hash, word)
      filled -= 32
      word = filled === 0 ? 0 : bytes >>> (size * 8 - filled)
    }
    if (isLast) break
  }
  hash ^= scrambled(word) ^ length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** NUL, or a surrogate without its other half. */
const isUnfit = (point: number): boolean => point === 0 || (point & 0x1ff800) === 0xd800

/** Bytes of a code point in UTF-8. */
function sizeOf(point: number): number {
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
}

/** The one to four bytes of a code point, the first one lowest. */
function utf8(point: number): number {
  if (point < 0x80) return point
  const last = 0x80 | (point & 0x3f)
  if (point < 0x800) return 0xc0 | (point >> 6) | (last << 8)
  const third = 0x80 | ((point >> 6) & 0x3f)
  if (point < 0x10000) return 0xe0 | (point >> 12) | (third << 8) | (last << 16)
  return 0xf0 | (point >> 18) | ((0x80 | ((point >> 12) & 0x3f)) << 8) | (third << 16) | (last << 24)
}

function absorbed(hash: number, word: number): number {
  const mixed = hash ^ scrambled(word)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function scrambled(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
