import { createHash, randomBytes } from 'node:crypto'
import type { Digest } from '../domain/version'

export type KeyRole = 'app' | 'admin'

const keyBytes = 32

/** A new API key: 256 random bits, so that its SHA-256 needs neither salt nor stretching. */
export const drawKey = (role: KeyRole): string => `sluice_${role}_${randomBytes(keyBytes).toString('base64url')}`

/** What the key is known by, and all that is stored of it. */
export const keyIdOf = (key: string): Digest => `sha256:${createHash('sha256').update(key).digest('hex')}`
