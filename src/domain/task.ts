import { SluiceError } from '../errors'
import { type Digest, type KindName, kindNames } from './version'

/** What tenants see and applications ask for. Its roles are the first release's composite only. */
export interface TaskDefinition {
  readonly name: string
  /** Role → `kind/name@semver` (or `kind/name@sha256:…`). */
  readonly roles: Readonly<Record<string, string>>
  readonly suite: string
  readonly suiteDigest: Digest
  readonly policy: string
  readonly policyDigest: Digest
  /** The task this one replaces for tenants that move. */
  readonly supersedes?: string
}

/** A task as a person writes it; references may leave out the kind that their position implies. */
export type TaskDraft = Omit<TaskDefinition, 'suiteDigest' | 'policyDigest'>

export const maxRoles = 32

/** `prompt` or `prompt.judge`: the part before the first dot names the kind, where it is one. */
export function kindOfRole(role: string): KindName | undefined {
  const head = role.split('.', 1)[0]
  return kindNames.find((kind) => kind === head)
}

/**
 * The full reference of a role: `csat@1.2.0` in the role `prompt` is `prompt/csat@1.2.0`.
 * Throws `malformed_ref` where the kind is neither written nor implied, or where the two disagree.
 */
export function roleRef(role: string, ref: string): string {
  const implied = kindOfRole(role)
  const slash = ref.indexOf('/')
  if (slash >= 0) {
    const written = ref.slice(0, slash)
    if (implied !== undefined && written !== implied) {
      throw new SluiceError('malformed_ref', `The role ${role} takes a ${implied}, and ${ref} is a ${written}.`)
    }
    return ref
  }
  if (implied === undefined) {
    const text = `The role ${role} implies no kind. Write its reference as kind/name@semver instead of ${ref}.`
    throw new SluiceError('malformed_ref', text)
  }
  return `${implied}/${ref}`
}
