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
  readonly contents: Readonly<Record<string, unknown>>
}

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
