import type { Digest, KindName } from './version'

/** What one role of a composite is pinned to. `ref` is a label for people; the digest is the identity. */
export interface Pin {
  readonly kind: KindName
  readonly ref: string
  readonly digest: Digest
}

/** The immutable set role → version of one task. Its id is the digest of role → version digest. */
export interface Composite {
  readonly id: Digest
  readonly roles: Readonly<Record<string, Pin>>
}

/** A composite with the contents an application needs to serve it. */
export interface ServedComposite extends Composite {
  /** By role. */
  readonly contents: Readonly<Record<string, unknown>>
  /**
   * By digest: what those contents refer to and what that refers to in turn, but for datasets, suites and policies,
   * which no application reads. Absent where there is nothing.
   */
  readonly closure?: Readonly<Record<Digest, unknown>>
}

/** The role named after a kind, else the only role of that kind; undefined where there is none or more than one. */
export function roleOfKind(composite: Composite, kind: KindName): string | undefined {
  if (composite.roles[kind]?.kind === kind) return kind
  const roles = rolesOfKind(composite, kind)
  return roles.length === 1 ? roles[0] : undefined
}

/** The roles of a kind, sorted. */
export const rolesOfKind = ({ roles }: Composite, kind: KindName): readonly string[] =>
  Object.keys(roles)
    .filter((role) => roles[role]?.kind === kind)
    .sort()

/** A composite held against the stored contents: the digest of each, and the id that follows from them. */
export interface CompositeVerification {
  readonly id: Digest
  /** The id that the stored contents have. */
  readonly computed: Digest
  readonly valid: boolean
  readonly roles: readonly (Pin & { readonly role: string; readonly valid: boolean })[]
}

/** The value whose RFC 8785 SHA-256 is the composite's id. */
export function compositeIdentity(roles: Readonly<Record<string, Pick<Pin, 'digest'>>>): unknown {
  return {
    kind: 'composite',
    roles: Object.fromEntries(Object.entries(roles).map(([role, pin]) => [role, pin.digest])),
  }
}
