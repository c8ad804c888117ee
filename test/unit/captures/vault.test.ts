import { createSecretKey, randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { readCaptureKeys } from '../../../src/config'
import { ensureCaptureKey } from '../../../src/embedded/capture-key'
import { Vault } from '../../../src/store/vault'

const masterKey = () => createSecretKey(randomBytes(32))
const belongs = { conversationId: 'c', requestId: 'r-1' }

describe('the vault', () => {
  it('gives back any text under what it belongs to, and never the same cipher text twice', () => {
    const vault = new Vault([masterKey()])
    const key = vault.openKey(vault.newKey({ conversationId: 'c' }), { conversationId: 'c' })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const [one, two] = [vault.seal(key, text, belongs), vault.seal(key, text, belongs)]
        expect(vault.open(key, one, belongs)).toBe(text)
        expect(one.nonce).not.toBe(two.nonce)
        expect(one.sealed).not.toBe(two.sealed)
      }),
    )
  })

  it('refuses what was put in the place of another, altered in any byte, or cut', () => {
    const vault = new Vault([masterKey()])
    const key = vault.openKey(vault.newKey({ conversationId: 'c' }), { conversationId: 'c' })
    const sealed = vault.seal(key, 'the transcript', belongs)
    const unreadable = expect.objectContaining({ code: 'capture_unreadable' })
    expect(() => vault.open(key, sealed, { ...belongs, requestId: 'r-2' })).toThrow(unreadable)
    const bytes = Buffer.from(sealed.sealed, 'base64')
    for (let place = 0; place < bytes.length; place += 1) {
      const altered = Buffer.from(bytes)
      altered[place] = (altered[place] ?? 0) ^ 1
      expect(() => vault.open(key, { ...sealed, sealed: altered.toString('base64') }, belongs)).toThrow(unreadable)
    }
    for (const cut of [0, 1, 15, bytes.length - 1]) {
      const short = bytes.subarray(0, cut).toString('base64')
      expect(() => vault.open(key, { ...sealed, sealed: short }, belongs)).toThrow(unreadable)
    }
  })

  it('refuses the key of one conversation in the place of another', () => {
    const vault = new Vault([masterKey()])
    const wrapped = vault.newKey({ conversationId: 'one' })
    expect(() => vault.openKey(wrapped, { conversationId: 'other' })).toThrow(
      expect.objectContaining({ code: 'capture_unreadable' }),
    )
  })

  it('opens with an older master key what that one wrapped, and nothing once it is gone', () => {
    const [old, current] = [masterKey(), masterKey()]
    const wrapped = new Vault([old]).newKey({ conversationId: 'c' })
    const rotated = new Vault([current, old])
    expect(rotated.openKey(wrapped, { conversationId: 'c' }).symmetricKeySize).toBe(32)
    expect(rotated.newKey({ conversationId: 'c' }).keyId).not.toBe(wrapped.keyId)
    expect(() => new Vault([current]).openKey(wrapped, { conversationId: 'c' })).toThrow(
      expect.objectContaining({ code: 'capture_unreadable', message: expect.stringContaining(wrapped.keyId) }),
    )
  })

  it('has nothing to say of its keys', () => {
    const bytes = randomBytes(32)
    const vault = new Vault([createSecretKey(bytes)])
    const wrapped = vault.newKey({ conversationId: 'c' })
    const told = JSON.stringify([vault, wrapped]) + String(vault)
    for (const form of ['base64', 'hex', 'base64url'] as const) expect(told).not.toContain(bytes.toString(form))
  })
})

describe('SLUICE_CAPTURE_KEY', () => {
  const folder = mkdtempSync(join(tmpdir(), 'capture-'))
  const file = (text: string): string => {
    const path = join(folder, randomBytes(4).toString('hex'))
    writeFileSync(path, text)
    return path
  }
  const [one, two] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]

  it('is a key, or a file of keys with the current one first; unset, there is none', () => {
    const keysOf = (value?: string) =>
      readCaptureKeys(value === undefined ? {} : { SLUICE_CAPTURE_KEY: value }).map((key) =>
        key.export().toString('base64'),
      )
    expect([keysOf(), keysOf(' '), keysOf(one), keysOf(file(`${two}\n\n${one}\n`))]).toEqual([
      [],
      [],
      [one],
      [two, one],
    ])
  })

  it.each([
    ['of another length', () => randomBytes(16).toString('base64')],
    ['that is no base64 but nearly', () => `${one.slice(0, -2)}~=`],
    ['of a file that is not there', () => join(folder, 'absent')],
    ['of an empty file', () => file('\n')],
    ['of a file with a second key that is none', () => file(`${one}\nsecret-word\n`)],
  ])('is refused %s, without repeating any of it', (_, make) => {
    const value = make()
    try {
      readCaptureKeys({ SLUICE_CAPTURE_KEY: value })
      throw new Error('nothing was refused')
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_config', details: { variable: 'SLUICE_CAPTURE_KEY' } })
      const told = JSON.stringify(error) + (error as Error).message
      for (const secret of [value, one, 'secret-word']) expect(told).not.toContain(secret)
    }
  })
})

describe('the key of a local instance', () => {
  it('is made once, readable by its owner alone, and never written over', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'capture-')), 'capture.key')
    expect(ensureCaptureKey(path)).toBe(path)
    const made = readFileSync(path, 'utf8')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    chmodSync(path, 0o644)
    ensureCaptureKey(path)
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual([made, 0o600])
    expect(readCaptureKeys({ SLUICE_CAPTURE_KEY: path })).toHaveLength(1)
  })
})
