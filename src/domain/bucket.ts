import { SluiceError } from '../errors'

const maxIdLength = 256

/**
 * Refuses an id that cannot be hashed the same way everywhere: empty, over 256 UTF-16 units, with NUL (the
 * separator) or a lone surrogate (no UTF-8 form).
 */
export function assertId(name: string, id: string): void {
  // Callers without types hand in whatever their database holds.
  if (typeof id !== 'string') throw idError(name, 'is not a string')
  const length = id.length
  let fault = length === 0 ? 'is empty' : length > maxIdLength ? 'is too long' : ''
  for (let index = 0; fault === '' && index < length; index++) {
    const unit = id.charCodeAt(index)
    if (unit === 0) fault = 'contains NUL'
    else if (unit >= 0xd800 && unit <= 0xdfff) {
      const next = id.charCodeAt(index + 1)
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) fault = 'contains a lone surrogate'
      index++
    }
  }
  if (fault !== '') throw idError(name, fault)
}

const idError = (name: string, fault: string): SluiceError =>
  new SluiceError('invalid_id', `The ${name} id ${fault}.`, { name })

/** Feeds UTF-8 bytes into MurmurHash3_x86_32 (Appleby, public domain) without building the byte string. */
class Murmur3 {
  private hash = 0
  private word = 0
  private length = 0

  byte(value: number): void {
    this.word |= value << ((this.length & 3) << 3)
    this.length++
    if ((this.length & 3) === 0) {
      this.mix()
      this.hash = (this.hash << 13) | (this.hash >>> 19)
      this.hash = (Math.imul(this.hash, 5) + 0xe6546b64) | 0
    }
  }

  text(value: string): void {
    for (let index = 0; index < value.length; index++) {
      let point = value.charCodeAt(index)
      if (point < 0x80) {
        this.byte(point)
        continue
      }
      if (point < 0x800) {
        this.byte(0xc0 | (point >> 6))
      } else {
        if (point >= 0xd800 && point <= 0xdbff) {
          point = 0x10000 + ((point - 0xd800) << 10) + (value.charCodeAt(++index) - 0xdc00)
          this.byte(0xf0 | (point >> 18))
          this.byte(0x80 | ((point >> 12) & 0x3f))
        } else {
          this.byte(0xe0 | (point >> 12))
        }
        this.byte(0x80 | ((point >> 6) & 0x3f))
      }
      this.byte(0x80 | (point & 0x3f))
    }
  }

  digest(): number {
    if ((this.length & 3) !== 0) this.mix()
    let hash = this.hash ^ this.length
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) >>> 0
  }

  private mix(): void {
    let word = Math.imul(this.word, 0xcc9e2d51)
    word = (word << 15) | (word >>> 17)
    this.hash ^= Math.imul(word, 0x1b873593)
    this.word = 0
  }
}

/** MurmurHash3_x86_32 of the UTF-8 form of `text`, seed 0, as an unsigned 32-bit number. */
export function murmur3(text: string): number {
  const hash = new Murmur3()
  hash.text(text)
  return hash.digest()
}

/**
 * Bucket 0..9999 of a unit of assignment: floor(murmur3(salt NUL tenant [NUL conversation]) × 10000 / 2³²).
 * Without `conversation` the whole tenant is the unit. Published vectors: test/vectors/bucket.json.
 */
export function bucketOf(salt: string, tenant: string, conversation?: string): number {
  const hash = new Murmur3()
  hash.text(salt)
  hash.byte(0)
  hash.text(tenant)
  if (conversation !== undefined) {
    hash.byte(0)
    hash.text(conversation)
  }
  return Math.floor((hash.digest() * 10_000) / 0x1_0000_0000)
}
