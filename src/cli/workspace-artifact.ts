import { z } from 'zod'
import { isLabel, parseRef } from '../domain/ref'
import type { KindName } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { describeIssues, digestSchema, nameSchema, parseDraft } from '../kinds/kind'
import { parseDotprompt } from './dotprompt'
import { type RowFile, readRows } from './row-file'
import { malformed, parseKeys, readText } from './workspace-file'
import { checkedSteps, withCodeDigests } from './workspace-steps'

/** One version as its file gives it. */
export interface WorkspaceArtifact {
  /** Relative to the workspace. */
  readonly file: string
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly description: string
  readonly parents?: readonly string[]
  readonly provenance?: Readonly<Record<string, unknown>>
  readonly content: unknown
  /** Rows of a dataset in a `.jsonl` file beside; `content` then holds its steps, or is absent. */
  readonly rows?: RowFile
  readonly notices: readonly string[]
}

/** Where a file stands: its path says kind, name and semver. */
export interface ArtifactPath {
  readonly path: string
  readonly file: string
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly rowsPath?: string
}

const labelSchema = z.string().refine((text) => {
  try {
    return parseRef(text).version !== ''
  } catch {
    return false
  }
}, 'is neither a digest nor kind/name@semver')

/** What every file says beside its content. */
const envelopeSchema = z.object({
  description: z.string('says what changed and why').trim().min(1, 'says what changed and why'),
  author: z.string().min(1).max(200).optional(),
  parents: z.array(z.union([digestSchema, labelSchema])).optional(),
  provenance: z.record(z.string(), z.unknown()).optional(),
})
const envelopeKeys = Object.keys(envelopeSchema.shape)

/** Reads and checks one file. Throws `malformed_file` naming file and place. */
export async function readArtifact(place: ArtifactPath): Promise<WorkspaceArtifact> {
  const { kind, name, semver, file } = place
  if (!nameSchema.safeParse(name).success) throw malformed(file, undefined, `${name} is no name`)
  if (!isLabel(semver)) throw malformed(file, undefined, `${semver} is no semver`)
  const { keys, notices } = readKeys(place)
  const envelope = envelopeSchema.safeParse(pick(keys, (key) => envelopeKeys.includes(key)))
  if (!envelope.success) {
    const [issue] = describeIssues(envelope.error)
    throw malformed(file, undefined, `${issue?.path ?? ''}: ${issue?.message ?? 'does not fit'}`)
  }
  const { description, author, parents, provenance } = envelope.data
  const written = author === undefined ? provenance : { ...provenance, author }
  return {
    file,
    kind,
    name,
    semver,
    description,
    ...(parents === undefined ? {} : { parents }),
    ...(written === undefined ? {} : { provenance: written }),
    ...(await readContent(place, keys)),
    notices,
  }
}

interface FileKeys {
  readonly keys: Readonly<Record<string, unknown>>
  readonly notices: readonly string[]
}

function readKeys({ path, file }: ArtifactPath): FileKeys {
  const text = readText(path, file)
  if (!path.endsWith('.prompt')) return { keys: parseKeys(text, file), notices: [] }
  const { envelope, content, notices } = parseDotprompt(text, file)
  return { keys: { ...envelope, content }, notices }
}

/** The content's own keys stand beside the description, or all of them under `content`. */
async function readContent(place: ArtifactPath, keys: Readonly<Record<string, unknown>>) {
  const { file, rowsPath } = place
  const beside = pick(keys, (key) => !envelopeKeys.includes(key) && key !== 'content')
  const stray = Object.keys(beside)
  const nested = Object.hasOwn(keys, 'content')
  if (nested && stray.length > 0) {
    throw malformed(file, undefined, `has a content block, so ${stray.join(', ')} belongs into it`)
  }
  const content = withCodeDigests(place, nested ? keys.content : beside)
  if (rowsPath === undefined) return { content: checkedContent(place, content) }
  const rows = { path: rowsPath, file: file.replace(/\.[a-z]+$/, '.jsonl') }
  for await (const _ of readRows(rows)) {
    // Reading is the check: a row that cannot be read is refused before anything is sent.
  }
  return { content: checkedSteps(place, content), rows }
}

function checkedContent({ kind, file }: ArtifactPath, content: unknown): unknown {
  try {
    return parseDraft(kindOf(kind), content, file)
  } catch (error) {
    if (error instanceof SluiceError) throw malformed(file, undefined, error.message.replace(/\.$/, ''))
    throw error
  }
}

const pick = (record: Readonly<Record<string, unknown>>, keep: (key: string) => boolean) =>
  Object.fromEntries(Object.entries(record).filter(([key]) => keep(key)))
