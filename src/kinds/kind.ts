import { z } from 'zod'
import type { DatasetColumn } from '../domain/contents'
import { type ClassedChange, isRecord, own } from '../domain/diff'
import { nestingFault, nestingText } from '../domain/nesting'
import type { Risk } from '../domain/plan'
import type { Digest, KindName } from '../domain/version'
import { assert, SluiceError } from '../errors'

/** A reference within a draft: where it stands, the kind that its position implies, and what is written there. */
export interface Reference {
  readonly path: readonly string[]
  readonly kind: KindName
  readonly ref: string
}

/** What a kind may know of the versions that its content refers to: their interface digest. */
export type InterfaceLookup = (digest: Digest) => Digest

/** A multiset of stored rows: what its root stands for. */
export interface RowSet {
  /** Digest of the sorted digests of the rows, each as often as its row; the same for the same rows in any order. */
  readonly root: Digest
  readonly count: number
  /** Of the rows' canonical texts. */
  readonly bytes: number
  readonly columns: Readonly<Record<string, DatasetColumn>>
}

/** What is done with rows while a draft becomes content. */
export interface RowTools {
  /** Stores rows (or takes the digests of stored ones) as a set. Throws invalid_content, and unknown_ref where a row was never uploaded. */
  setOfRows(rows: readonly unknown[]): Promise<RowSet>
  /** Throws unknown_ref where no rows were stored under this root. */
  rowSet(root: Digest): Promise<RowSet>
}

/** What a kind may ask of the rest of the product while a draft becomes content. */
export interface SealTools extends RowTools {
  /**
   * Throws invalid_content where no scorer has this name or takes these options. `judges`: those that the suite pins,
   * with the variables of their prompts.
   */
  requireScorer(
    name: string,
    options: Readonly<Record<string, unknown>>,
    judges: Readonly<Record<string, readonly string[]>>,
  ): void
  /** The content of a version that the draft refers to. Throws unknown_ref. */
  contentOf(kind: KindName, digest: Digest): Promise<unknown>
}

/**
 * One kind of artifact: everything that differs between kinds is here, so nothing else switches on a kind.
 * A draft is what people register (labels as references, defaults left out); content is what a version holds.
 */
export interface Kind<Content = unknown, Draft = Content> {
  readonly name: KindName
  /** Folder of a workspace. */
  readonly folder: string
  /** The risk of a release that moves it; `test` kinds change no behaviour, so they are in no composite. */
  readonly changeType: Risk | 'test'
  /** Refuses unknown keys and fills defaults. Content fits it too, so a version can be registered again elsewhere. */
  readonly schema: z.ZodType<Draft>
  /** Keys whose values never change over all versions of one artifact. */
  readonly immutable?: readonly string[]
  /** A name that a content takes for ever, and what all artifacts of the kind then say of it. */
  claim?(content: Content): { readonly name: string; readonly value: unknown }
  references(draft: Draft): readonly Reference[]
  /** Where content is more than its draft with references resolved. */
  seal?(draft: Draft, tools: SealTools): Promise<Content>
  /** Where content stands for rows that are kept one by one: their root and how many they are. */
  rowsOf?(content: Content): { readonly root: Digest; readonly count: number }
  /** What others depend on, as a JSON value; its digest is the interface digest. */
  interfaceOf(content: Content, lookup: InterfaceLookup): unknown
  /** Every difference with its class; empty exactly where the contents are equal. */
  diff(before: Content, after: Content, lookup: InterfaceLookup): readonly ClassedChange[]
  /** Keys of outputs that a content names (dots lead on): it stands in a place where these are read. */
  reads?(content: Content): readonly string[]
  /** One line for lists. */
  summarize(content: Content): string
}

/** A copy of a draft or content in which each of these places holds the given reference. */
export function withReferences(
  draft: unknown,
  references: readonly { readonly path: readonly string[]; readonly ref: string }[],
): unknown {
  if (references.length === 0) return draft
  const copy: unknown = structuredClone(draft)
  for (const { path, ref } of references) {
    const partOf = (node: unknown, key: string) => (isContainer(node) ? own(node, key) : undefined)
    const holder = path.slice(0, -1).reduce<unknown>(partOf, copy)
    const key = path.at(-1)
    assert(isContainer(holder) && key !== undefined, `the reference at ${path.join('/')} stands in its draft`)
    Object.assign(holder, { [key]: ref })
  }
  return copy
}

/** An object, or a list, whose keys are its places. */
const isContainer = (node: unknown): node is Readonly<Record<string, unknown>> => isRecord(node) || Array.isArray(node)

const digestText = '^sha256:[0-9a-f]{64}$'
const nameText = '[a-z0-9][a-z0-9._-]{0,99}'

/** Artifact and task names. */
export const nameSchema = z.string().regex(new RegExp(`^${nameText}$`), 'is no name: a-z, 0-9, dot, dash, underscore')
export const digestSchema = z
  .string()
  .regex(new RegExp(digestText), 'is no digest: sha256: and 64 hex digits') as unknown as z.ZodType<Digest, Digest>

/** A reference in a position that implies its kind: `name@semver`, `kind/name@…`, or the digest itself. */
export function refSchema(kind: KindName): z.ZodType<string> {
  const text = new RegExp(`^(${kind}/)?${nameText}@[^\\s@/]{1,100}$|${digestText}`)
  return z.string().regex(text, `is no reference to a ${kind}: write name@semver or ${kind}/name@semver`)
}

/** A key that is safe as a property name of plain objects. */
export const keySchema = z
  .string()
  .min(1)
  .max(200)
  .refine((key) => key !== '__proto__', 'is a reserved key')

/** Of a content, and of the provenance beside it. */
export const maxDraftLevels = 100
/** Of a draft that becomes content as it stands; rows of datasets have bounds of their own. */
export const maxContentBytes = 1_000_000

/** The draft checked and completed; throws `invalid_content` naming every field. */
export function parseDraft(kind: Kind, draft: unknown, ref: string): unknown {
  // What is too deep or too large to be read is refused before it is read.
  const fault = nestingFault(draft, maxDraftLevels)
  if (fault !== undefined) throw new SluiceError('invalid_content', `${ref} ${nestingText(fault, maxDraftLevels)}.`)
  if (kind.seal === undefined && (JSON.stringify(draft)?.length ?? 0) > maxContentBytes) {
    throw new SluiceError('invalid_content', `${ref} is larger than ${maxContentBytes} bytes.`)
  }
  const parsed = kind.schema.safeParse(draft)
  if (parsed.success) return parsed.data
  const fields = describeIssues(parsed.error)
  const text = fields.map((field) => `${field.path || 'content'}: ${field.message}`).join('; ')
  throw new SluiceError('invalid_content', `${ref} does not fit its kind: ${text}.`, { fields })
}

export interface FieldProblem {
  readonly path: string
  readonly message: string
}

const maxProblems = 20

/** Issues as path and message. Of a union's branches, the one that got furthest speaks. */
export function describeIssues(error: z.ZodError): readonly FieldProblem[] {
  return error.issues.flatMap((issue) => describeIssue(issue, [])).slice(0, maxProblems)
}

function describeIssue(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): readonly FieldProblem[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const furthest = [...issue.errors].sort((a, b) => a.length - b.length || depthOf(b) - depthOf(a))[0] ?? []
    return furthest.flatMap((inner) => describeIssue(inner, path))
  }
  return [{ path: path.map(String).join('.'), message: issue.message }]
}

const depthOf = (issues: readonly z.core.$ZodIssue[]): number =>
  Math.max(0, ...issues.map((issue) => issue.path.length))
