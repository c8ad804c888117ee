import { isDigest } from '../domain/ref'
import { kindOfRole, type TaskDefinition } from '../domain/task'
import type { TenantEntry } from '../domain/tenant'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { nameSchema, withReferences } from '../kinds/kind'
import type { ApiClient } from './client'
import type { Pulled, PulledVersion } from './pulled'
import { downloadFile } from './row-download'
import { keysText, type WorkspaceDraft } from './workspace-text'
import { draftFile, type FolderFile, rowsFile, textFile } from './workspace-write'

/** A pulled version as its file says it, under the labels of the others. */
export function draftOf(version: PulledVersion, labels: Pulled['labels']): WorkspaceDraft {
  const { kind, name, semver } = version
  // A parent that retention dropped is in no folder, and a push would look for it.
  const parents = version.parents.filter((digest) => labels.has(digest))
  const { provenance, author } = authorship(version)
  return {
    kind,
    name,
    semver,
    description: version.description.trim(),
    ...(author === undefined ? {} : { author }),
    ...(parents.length === 0 ? {} : { parents: parents.map((digest) => labels.get(digest) ?? digest) }),
    ...(provenance === undefined ? {} : { provenance }),
    ...contentOf(version, labels),
  }
}

/** A push keeps the author that a file names in the provenance, so the one that stands there comes first. */
function authorship({ author, provenance }: PulledVersion): Pick<WorkspaceDraft, 'author' | 'provenance'> {
  const { author: written = author, ...rest } = provenance ?? {}
  const isName = typeof written === 'string' && written !== '' && written.length <= maxAuthor
  if (!isName) return provenance === undefined ? {} : { provenance }
  return { author: written, ...(Object.keys(rest).length === 0 ? {} : { provenance: rest }) }
}
const maxAuthor = 200

function contentOf({ kind, content }: PulledVersion, labels: Pulled['labels']): Pick<WorkspaceDraft, 'content'> {
  const references = kindOf(kind).references(content)
  const labelled = withReferences(
    content,
    references.map(({ path, ref }) => ({ path, ref: isDigest(ref) ? shortLabel(ref, labels) : ref })),
  )
  if (rowsOf(kind, content) === undefined) return { content: labelled }
  const { steps } = labelled as { readonly steps?: unknown }
  return steps === undefined ? {} : { content: { steps } }
}

/** The root of the rows that a content stands for. */
function rowsOf(kind: PulledVersion['kind'], content: unknown): Digest | undefined {
  return kindOf(kind).rowsOf?.(content).root
}

/** Positions imply their kind. What has no label here stays a digest. */
function shortLabel(digest: Digest, labels: Pulled['labels']): string {
  const label = labels.get(digest) ?? digest
  return label.slice(label.indexOf('/') + 1)
}

/** The files of everything pulled. Rows are fetched when their file is written. */
export function pulledFiles(api: ApiClient, { versions, labels, tasks }: Pulled): readonly FolderFile[] {
  return [...versions.flatMap((version) => versionFiles(api, version, labels)), ...tasks.map(taskFile)]
}

function versionFiles(api: ApiClient, version: PulledVersion, labels: Pulled['labels']): readonly FolderFile[] {
  const draft = draftOf(version, labels)
  const root = rowsOf(version.kind, version.content)
  const rows = root === undefined ? [] : [rowsFile(draft, root, (path) => downloadFile(api, root, path))]
  return [...rows, draftFile(draft)]
}

function taskFile({ name, roles, suite, policy, supersedes }: TaskDefinition): FolderFile {
  if (!nameSchema.safeParse(name).success) {
    throw new SluiceError('invalid_content', `${name} is no name that a file can have.`)
  }
  const short = Object.entries(roles).map(([role, ref]) => [role, roleLabel(role, ref)])
  const keys = {
    roles: Object.fromEntries(short),
    suite: suite.replace(/^suite\//, ''),
    policy: policy.replace(/^policy\//, ''),
    supersedes,
  }
  const { ending, text } = keysText(keys, `tasks/${name}`)
  return textFile(`tasks/${name}${ending}`, text)
}

function roleLabel(role: string, ref: string): string {
  const kind = kindOfRole(role)
  return kind !== undefined && ref.startsWith(`${kind}/`) ? ref.slice(kind.length + 1) : ref
}

/** Rings and contacts; what a tenant pinned or runs of its own is state of the server, and no file holds it. */
export function tenantsFile(entries: readonly TenantEntry[]): FolderFile {
  const tenants = entries.map(({ tenant, reason, state: { ring, region, locale, contacts } }) => ({
    id: tenant,
    ring,
    ...(region === undefined ? {} : { region }),
    ...(locale === undefined ? {} : { locale }),
    ...(contacts.length === 0 ? {} : { contacts }),
    reason,
  }))
  return textFile('tenants.yaml', keysText({ tenants }, 'tenants.yaml').text)
}
