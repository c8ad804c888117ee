import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { SluiceError } from '../errors'
import { canonicalJson } from './canonical'

/** AES-256-GCM: the nonce is fresh for every text, `sealed` is cipher text and tag. Base64. */
export interface SealedText {
  readonly nonce: string
  readonly sealed: string
}

/** A data key, readable with the master key of this id only. */
export interface WrappedKey extends SealedText {
  readonly keyId: string
  readonly salt: string
}

/** What a text belongs to. It is authenticated with the text, so that one cannot be put in the place of another. */
export type Belongs = Readonly<Record<string, string>>

const algorithm = 'aes-256-gcm'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const saltBytes = 32
const wrapping = 'sluice capture key v1'
const keyIdDigits = 16

/**
 * Encrypts with data keys that are wrapped by a master key. Each wrapping uses a key of its own, derived by HKDF
 * (RFC 5869) from the master key and a random salt, so that no number of conversations makes a nonce repeat under one key.
 */
export class Vault {
  private readonly current: KeyObject | undefined
  private readonly masters: ReadonlyMap<string, KeyObject>

  /** The current master key first; the others only open what they wrapped before. */
  constructor(masters: readonly KeyObject[]) {
    this.current = masters[0]
    this.masters = new Map(masters.map((master) => [keyIdOf(master), master]))
  }

  /** Whether there is a key to encrypt with. */
  get ready(): boolean {
    return this.current !== undefined
  }

  /** A fresh random data key, wrapped. Throws `capture_unavailable` without a master key. */
  newKey(belongs: Belongs): WrappedKey {
    if (this.current === undefined) throw unavailable()
    const keyId = keyIdOf(this.current)
    const salt = randomBytes(saltBytes)
    const sealed = encrypt(wrappingKey(this.current, salt), randomBytes(keyBytes), { ...belongs, keyId })
    return { keyId, salt: salt.toString('base64'), ...sealed }
  }

  /** Throws `capture_unreadable` where the master key is not known here, or the wrapped key was altered or moved. */
  openKey({ keyId, salt, ...sealed }: WrappedKey, belongs: Belongs): KeyObject {
    const master = this.masters.get(keyId)
    if (master === undefined) {
      throw new SluiceError('capture_unreadable', `The master key ${keyId} of this content is not configured here.`)
    }
    const key = decrypt(wrappingKey(master, Buffer.from(salt, 'base64')), sealed, { ...belongs, keyId })
    return createSecretKey(key)
  }

  seal(key: KeyObject, text: string, belongs: Belongs): SealedText {
    return encrypt(key, Buffer.from(text), belongs)
  }

  /** Throws `capture_unreadable`. */
  open(key: KeyObject, sealed: SealedText, belongs: Belongs): string {
    return decrypt(key, sealed, belongs).toString('utf8')
  }
}

/** Names a key without saying anything about it: a hash of 256 random bits. */
const keyIdOf = (key: KeyObject): string =>
  createHash('sha256').update('sluice capture key id').update(key.export()).digest('hex').slice(0, keyIdDigits)

const wrappingKey = (master: KeyObject, salt: Buffer): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', master, salt, wrapping, keyBytes)))

function encrypt(key: KeyObject, text: Buffer, belongs: Belongs): SealedText {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(canonicalJson(belongs)))
  const sealed = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return { nonce: nonce.toString('base64'), sealed: sealed.toString('base64') }
}

function decrypt(key: KeyObject, { nonce, sealed }: SealedText, belongs: Belongs): Buffer {
  const bytes = Buffer.from(sealed, 'base64')
  try {
    const decipher = createDecipheriv(algorithm, key, Buffer.from(nonce, 'base64'), { authTagLength: tagBytes })
      .setAAD(Buffer.from(canonicalJson(belongs)))
      .setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()])
  } catch {
    throw new SluiceError('capture_unreadable', 'The stored content was altered, or belongs to another request.')
  }
}

const unavailable = (): SluiceError =>
  new SluiceError('capture_unavailable', 'This server has no key to encrypt captured content with.')
