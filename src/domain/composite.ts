import type { Digest, KindName, Origin } from './version'

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

/** A composite with what is known of it beside its identity. */
export interface CompositeRecord extends Composite {
  /** What it was derived from: the incumbent of a release's candidate, the base of an override. */
  readonly parents: readonly Digest[]
  readonly createdAt: Date
  readonly origin?: Origin
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
  const { roles } = composite
  if (roles[kind]?.kind === kind) return kind
  let only: string | undefined
  for (const role in roles) {
    if (roles[role]?.kind !== kind) continue
    if (only !== undefined) return undefined
    only = role
  }
  return only
}

/** The roles of a kind, sorted. */
export const rolesOfKind = ({ roles }: Composite, kind: KindName): readonly string[] =>
  Object.keys(roles)
    .filter((role) => roles[role]?.kind === kind)
    .sort()

/** One version that a composite rests on, or the rows of one, as they are stored. */
export interface VerifiedPart {
  readonly kind: KindName
  /** A label of it; its digest where nothing has it any more. */
  readonly ref: string
  readonly digest: Digest
  /** `not_imported`: a dataset that came in a file without its rows; `dropped`: by retention, as `problem` says. */
  readonly state: 'ok' | 'altered' | 'missing' | 'not_imported' | 'dropped'
  /** Rows read, of a dataset. */
  readonly rows?: number
  readonly problem?: string
}

/** A composite held against all that is stored of its closure. */
export interface CompositeVerification {
  readonly id: Digest
  /** The id that the stored contents of its roles have. */
  readonly computed: Digest
  /** Nothing of the closure is altered or missing. */
  readonly valid: boolean
  readonly roles: readonly (Pin & { readonly role: string; readonly valid: boolean })[]
  /** Every version of the closure, what is referred to before what refers to it. */
  readonly parts: readonly VerifiedPart[]
}

/** The value whose RFC 8785 SHA-256 is the composite's id. */
export function compositeIdentity(roles: Readonly<Record<string, Pick<Pin, 'digest'>>>): unknown {
  return {
    kind: 'composite',
    roles: Object.fromEntries(Object.entries(roles).map(([role, pin]) => [role, pin.digest])),
  }
}
