import { classOf } from '../domain/diff'
import { inputDigests } from '../domain/lineage'
import { nestingFault, nestingText } from '../domain/nesting'
import { isDigest, isLabel, parseRef } from '../domain/ref'
import type { Registered, Registration } from '../domain/registration'
import { baseOf, byLabel, successorOf, suggestLabel, understates } from '../domain/semver-class'
import type { Digest, KindName } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { kindOf } from '../kinds'
import {
  type InterfaceLookup,
  maxContentBytes,
  maxDraftLevels,
  nameSchema,
  parseDraft,
  type Reference,
  type RowTools,
  type SealTools,
  withReferences,
} from '../kinds/kind'
import { compileSchema } from '../kinds/schema-compile'
import { patternFault } from '../kinds/schema-pattern'
import { prepareScorer } from '../scorers'
import { canonicalJson, digestOf } from './canonical'
import { requireClaim } from './claims'
import { identityOf, positionOf, readContent, type VersionDocument } from './version-documents'
import { maxVersions, type VersionView } from './version-view'

const maxDescription = 10_000
const maxParents = 100
const maxProvenanceLetters = 100_000

/** What is known of a change once it was judged; `base` is absent for a first version. */
export type Judgement = Pick<Registered, 'changeClass' | 'base' | 'changes'>

/** A draft made into the document to store: checked, references resolved, sealed, with its digests. */
export async function documentOf(draft: Registration, view: VersionView, rows: RowTools): Promise<VersionDocument> {
  const { kind, name, semver } = draft
  const ref = `${kind}/${name}@${semver}`
  requireEnvelope(draft, ref)
  const parsed = parseDraft(kindOf(kind), draft.content, ref)
  const references = await resolveReferences(kindOf(kind).references(parsed), view)
  const resolved = withReferences(
    parsed,
    references.map(({ path, digest }) => ({ path, ref: digest })),
  )
  const content = await (kindOf(kind).seal?.(resolved, sealTools(view, rows)) ?? resolved)
  const text = canonicalJson(content)
  if (Buffer.byteLength(text) > maxContentBytes) {
    throw new SluiceError('invalid_content', `${ref} is larger than ${maxContentBytes} bytes.`)
  }
  const parents = await resolveParents(draft.parents ?? [], view)
  const lookup = await interfacesOf(kind, [content], view)
  return {
    _id: ref,
    kind,
    name,
    semver,
    position: positionOf(kind, name, semver),
    digest: identityOf(kind, content),
    interface: digestOf({ interface: kindOf(kind).interfaceOf(content, lookup), kind }),
    content: text,
    author: draft.author,
    createdAt: new Date(0),
    description: draft.description,
    parents: [...parents],
    ...(draft.provenance === undefined ? {} : { provenance: canonicalJson(draft.provenance) }),
    references: references.map(({ path, kind: target, digest }) => ({ path: path.join('/'), kind: target, digest })),
    ...(draft.promotion === undefined ? {} : { promotion: draft.promotion }),
    ...inputsOf(draft.provenance),
  }
}

function inputsOf(provenance: Registration['provenance']): Pick<VersionDocument, 'inputs'> {
  const inputs = inputDigests(provenance)
  return inputs.length === 0 ? {} : { inputs: [...inputs] }
}

const sealTools = (view: VersionView, rows: RowTools): SealTools => ({
  ...rows,
  requireScorer(name, options, judges) {
    prepareScorer(name, options, { compileSchema, patternFault, judges })
  },
  contentOf: async (kind, digest) => readContent(await view.findDigest(kind, digest)),
})

function requireEnvelope(draft: Registration, ref: string): void {
  const refuse = (text: string) => {
    throw new SluiceError('invalid_request', `${ref}: ${text}.`)
  }
  if (!nameSchema.safeParse(draft.name).success) refuse('the name takes a-z, 0-9, dot, dash and underscore')
  if (!isLabel(draft.semver)) refuse('the version is no semver such as 1.2.0 (build metadata is not taken)')
  if (draft.description.trim() === '') throw new SluiceError('reason_missing', `${ref}: say what changed and why.`)
  if (draft.description.length > maxDescription) refuse(`the description is longer than ${maxDescription}`)
  if ((draft.parents?.length ?? 0) > maxParents) refuse(`it has more than ${maxParents} parents`)
  if (draft.provenance !== undefined) requireProvenance(draft.provenance, refuse)
}

/** A file of a workspace must be able to say it, so what no file may say is no provenance. */
function requireProvenance(provenance: unknown, refuse: (text: string) => void): void {
  const fault = nestingFault(provenance, maxDraftLevels)
  if (fault !== undefined) refuse(`the provenance ${nestingText(fault, maxDraftLevels)}`)
  if (canonicalJson(provenance).length > maxProvenanceLetters) {
    refuse(`the provenance is longer than ${maxProvenanceLetters} letters`)
  }
}

async function resolveParents(parents: readonly string[], view: VersionView): Promise<readonly Digest[]> {
  const digests: Digest[] = []
  for (const parent of parents) {
    const found = isDigest(parent) ? await view.findDigest(undefined, parent) : await view.find(parseRef(parent))
    digests.push(found.digest)
  }
  return digests
}

type Resolved = Reference & { readonly digest: Digest }

async function resolveReferences(references: readonly Reference[], view: VersionView): Promise<readonly Resolved[]> {
  const resolved: Resolved[] = []
  for (const reference of references) {
    const { kind, ref } = reference
    const target = isDigest(ref) ? await view.findDigest(kind, ref) : await view.find(parseRef(ref, kind))
    resolved.push({ ...reference, digest: target.digest })
  }
  return resolved
}

/** The interfaces of all that these contents refer to. */
export async function interfacesOf(
  kind: KindName,
  contents: readonly unknown[],
  view: VersionView,
): Promise<InterfaceLookup> {
  const known = new Map<Digest, Digest>()
  for (const { kind: target, ref } of contents.flatMap((content) => kindOf(kind).references(content))) {
    if (isDigest(ref) && !known.has(ref)) known.set(ref, (await view.findDigest(target, ref)).interface)
  }
  return (digest) => {
    const found = known.get(digest)
    assert(found !== undefined, `the interface of ${digest} was looked up`)
    return found
  }
}

/**
 * Holds a new document against what is registered. Undefined: the same version stands already. Throws version_exists,
 * immutable_field, semver_understated.
 */
export async function judge(document: VersionDocument, view: VersionView): Promise<Judgement | undefined> {
  const { kind, name, semver } = document
  const labels = await view.labels(kind, name)
  const standing = labels.find((label) => label.semver === semver)
  if (standing !== undefined) {
    if (standing.digest === document.digest) return undefined
    const text = `${document._id} is registered with other content and can never change.`
    throw new SluiceError('version_exists', text, { ref: document._id, digest: standing.digest })
  }
  if (labels.length >= maxVersions) {
    throw new SluiceError('invalid_request', `${kind}/${name} has ${maxVersions} versions, which is the limit.`)
  }
  const semvers = labels.map((label) => label.semver)
  await requireImmutable(document, [...semvers].sort(byLabel)[0], view)
  await requireClaim(document, view)
  const judgement = await judgeLabel(document, semvers, view)
  await requireHonestSuccessor(document, semvers, view)
  return judgement
}

async function requireImmutable(document: VersionDocument, first: string | undefined, view: VersionView) {
  const { kind, name } = document
  const fixed = kindOf(kind).immutable ?? []
  if (first === undefined || fixed.length === 0) return
  const before = readContent(await view.find({ kind, name, version: first })) as Record<string, unknown>
  const after = readContent(document) as Record<string, unknown>
  const changed = fixed.filter((key) => canonicalJson(before[key]) !== canonicalJson(after[key]))
  if (changed.length === 0) return
  const texts = changed.map((key) => `${key} is ${JSON.stringify(before[key])} for ever`)
  throw new SluiceError('immutable_field', `${document._id} cannot be registered: ${texts.join(', ')}.`, {
    fields: changed,
  })
}

async function judgeLabel(
  document: VersionDocument,
  semvers: readonly string[],
  view: VersionView,
): Promise<Judgement> {
  const { kind, name, semver } = document
  const base = baseOf(semver, semvers)
  if (base === undefined) return { changeClass: 'none', changes: [] }
  const compared = await compareKnown(await view.find({ kind, name, version: base }), document, view)
  if (!understates(semver, base, compared.changeClass)) return { ...compared, base }
  const suggested = suggestLabel(base, semvers)
  const text = `${document._id} is breaking against ${name}@${base}: ${broken(compared)}. Register it as ${suggested}.`
  throw new SluiceError('semver_understated', text, { class: compared.changeClass, base, suggested, ...compared })
}

/** A version that comes in below another may make that one's label untrue: the newcomer is refused. */
async function requireHonestSuccessor(document: VersionDocument, semvers: readonly string[], view: VersionView) {
  const { kind, name, semver } = document
  const successor = successorOf(semver, semvers)
  if (successor === undefined) return
  const compared = await compareKnown(document, await view.find({ kind, name, version: successor }), view)
  if (!understates(successor, semver, compared.changeClass)) return
  const suggested = suggestLabel(successor, semvers)
  const text = `${name}@${successor} would be breaking against ${document._id}: ${broken(compared)}. Register it as ${suggested}.`
  throw new SluiceError('semver_understated', text, { class: compared.changeClass, successor, suggested, ...compared })
}

/** Differences that are told in a message; all of them stand in its details. */
const maxTold = 5

function broken({ changes }: Pick<Judgement, 'changes'>): string {
  const texts = changes.filter((change) => change.class === 'breaking').map(({ text }) => text.split('\n')[0] ?? '')
  const more = texts.length > maxTold ? [`and ${texts.length - maxTold} more`] : []
  return [...texts.slice(0, maxTold), ...more].join('; ')
}

/** The same as far as it can be known where retention dropped one side: interfaces are metadata, and stay. */
async function compareKnown(
  before: VersionDocument,
  after: VersionDocument,
  view: VersionView,
): Promise<Pick<Judgement, 'changes' | 'changeClass'>> {
  const gone = [before, after].find(({ dropped }) => dropped?.what === 'content')
  if (gone === undefined) return compareDocuments(before, after, view)
  if (before.digest === after.digest) return { changes: [], changeClass: 'none' }
  const same = before.interface === after.interface
  const text = `the content of ${gone._id} was dropped; the interfaces ${same ? 'are the same' : 'differ'}`
  const changes = [
    { path: '', change: 'changed' as const, text, class: same ? ('safe' as const) : ('breaking' as const) },
  ]
  return { changes, changeClass: classOf(changes) }
}

/** The semantic differences of two versions of one kind. Throws content_dropped. */
export async function compareDocuments(before: VersionDocument, after: VersionDocument, view: VersionView) {
  const contents: [unknown, unknown] = [readContent(before), readContent(after)]
  const lookup = await interfacesOf(before.kind, contents, view)
  const changes = before.digest === after.digest ? [] : kindOf(before.kind).diff(...contents, lookup)
  return { changes, changeClass: classOf(changes) }
}
