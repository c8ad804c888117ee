import { type Command, InvalidArgumentError } from 'commander'
import { isDigest } from '../domain/ref'
import type { Digest } from '../domain/version'

/** A text that says something. */
export function textArgument(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Say something.')
  return text.trim()
}

/** A whole digest. */
export function digestArgument(text: string): Digest {
  if (isDigest(text)) return text
  throw new InvalidArgumentError('Write sha256: and all 64 hex digits.')
}

const digestStart = /^(?:sha256:)?([0-9a-f]{6,64})$/

/** A digest, or enough of its beginning: six hex digits or more. */
export function digestStartArgument(text: string): string {
  const hex = digestStart.exec(text)?.[1]
  if (hex !== undefined) return `sha256:${hex}`
  throw new InvalidArgumentError('Write a digest, or at least six hex digits of its beginning.')
}

const releaseId = /^[0-9A-HJKMNP-TV-Z]{26}$/

/** The id that `release start` printed; letters may be small. */
export function releaseArgument(text: string): string {
  const id = text.toUpperCase()
  if (releaseId.test(id)) return id
  throw new InvalidArgumentError('It is no release id: 26 letters and digits, as `sluice release ls` lists them.')
}

/** `--reason`: what changes something says why. */
export const withReason = (command: Command): Command =>
  command.requiredOption('--reason <text>', 'why, for the record', textArgument)

/** `--env`: a lane is switched in one environment at a time, which is named. */
export const withEnvironment = (command: Command): Command =>
  command.requiredOption('--env <environment>', 'the environment, such as production', textArgument)
