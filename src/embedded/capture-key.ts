import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync } from 'node:fs'
import { childEnvironment } from '../config'
import { writeAtomically } from './files'

const ownerOnly = 0o600
const keyBytes = 32

/** The setting of the captures' master key: what this process was given, else the file, made now for the owner alone. */
export function ensureCaptureKey(file: string): string {
  const given = childEnvironment({}).SLUICE_CAPTURE_KEY?.trim()
  if (given) return given
  // A key that is lost makes everything captured unreadable, so an existing file is never written over.
  if (existsSync(file)) chmodSync(file, ownerOnly)
  else writeAtomically(file, `${randomBytes(keyBytes).toString('base64')}\n`, ownerOnly)
  return file
}
