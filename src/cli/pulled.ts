import { isDigest, isLabel, parseRef } from '../domain/ref'
import type { TaskDefinition } from '../domain/task'
import type { Digest, KindName } from '../domain/version'
import { kindNames } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { digestOf } from '../store/canonical'
import type { ApiClient } from './client'
import { everyItem, forEach } from './pages'

/** A version as the server holds it; references are digests. */
export interface PulledVersion {
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly ref: string
  readonly digest: Digest
  readonly author: string
  readonly description: string
  readonly parents: readonly Digest[]
  readonly provenance?: Readonly<Record<string, unknown>>
  readonly content: unknown
  /** What retention dropped of it. */
  readonly dropped?: { readonly what: 'content' | 'rows' }
}

export interface Pulled {
  readonly versions: readonly PulledVersion[]
  /** The label that stands for a digest in files. */
  readonly labels: ReadonlyMap<Digest, string>
  readonly tasks: readonly TaskDefinition[]
  /** Versions that no folder can hold any more, since retention dropped their content or rows. */
  readonly dropped: readonly string[]
}

/** As many as one push takes. */
export const maxPulled = 2000
const pageLimit = 200
const maxTasks = 2000

/** What to pull: everything; tasks; or versions, all versions of an artifact, and composites. */
export interface Selection {
  readonly tasks: readonly string[]
  readonly refs: readonly string[]
}

/**
 * Fetches what is asked for with all that it refers to and was made from, so that the folder can be pushed to a server
 * that has nothing. Throws `digest_mismatch` for a version that is not what its digest says.
 */
export async function pullVersions(api: ApiClient, selection: Selection | 'all'): Promise<Pulled> {
  const tasks = await tasksOf(api, selection === 'all' ? 'all' : selection.tasks)
  const asked = selection === 'all' ? await labelsOf(api, {}) : await refsOf(api, selection.refs)
  const named = tasks.flatMap((task) => [...Object.values(task.roles), task.suite, task.policy])
  const found = createFound(api)
  await found.add([...asked, ...named])
  return { ...found.all(), tasks }
}

async function tasksOf(api: ApiClient, names: readonly string[] | 'all'): Promise<readonly TaskDefinition[]> {
  if (names === 'all') return everyItem<TaskDefinition>(api, '/v1/tasks', { limit: pageLimit })
  const found = new Map<string, TaskDefinition>()
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined && found.size < maxTasks; name = waiting.pop()) {
    if (found.has(name)) continue
    const task = await api.get<TaskDefinition>(`/v1/tasks/${encodeURIComponent(name)}`)
    found.set(name, task)
    // A task that supersedes another is refused where that one is missing.
    if (task.supersedes !== undefined) waiting.push(task.supersedes)
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

interface Listed {
  readonly ref: string
}

async function labelsOf(api: ApiClient, filter: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const items = await everyItem<Listed>(api, '/v1/artifacts', { ...filter, limit: pageLimit })
  return items.map((item) => item.ref)
}

async function refsOf(api: ApiClient, refs: readonly string[]): Promise<readonly string[]> {
  return (await forEach(refs, (ref) => expand(api, ref))).flat()
}

async function expand(api: ApiClient, text: string): Promise<readonly string[]> {
  if (isDigest(text) || !text.includes('/')) {
    const { roles } = await api.get<{ roles: Readonly<Record<string, { readonly ref: string }>> }>(
      `/v1/composites/${encodeURIComponent(text)}`,
    )
    return Object.values(roles).map((pin) => pin.ref)
  }
  if (text.includes('@')) return [text]
  const [kind = '', name = ''] = text.split('/', 2)
  const labels = await labelsOf(api, { kind, name })
  if (labels.length === 0) throw new SluiceError('unknown_ref', `Nothing is registered as ${text}.`, { ref: text })
  return labels
}

/** Versions found so far; what they refer to is found with them. */
function createFound(api: ApiClient) {
  const versions = new Map<string, PulledVersion>()
  const labels = new Map<Digest, string>()
  const dropped = new Set<string>()

  /** None for what retention dropped. */
  const fetchOne = async (text: string): Promise<readonly PulledVersion[]> => {
    const { kind, name, version } = parseRef(text)
    const path = [kind, name, version].map(encodeURIComponent).join('/')
    const answer = await api.get<PulledVersion>(`/v1/artifacts/${path}`).catch((error: unknown) => {
      if (error instanceof SluiceError && error.code === 'content_dropped') return undefined
      throw error
    })
    const found = answer === undefined ? undefined : checked(answer, text)
    if (found !== undefined && found.dropped === undefined) return [found]
    dropped.add(text)
    return []
  }
  /** The first label of a content, by name and semver; one that is pulled anyway comes before it. */
  const labelOf = async (digest: Digest): Promise<string> => {
    const known = labels.get(digest)
    if (known !== undefined) return known
    const [first] = (await api.get<{ items: readonly Listed[] }>('/v1/artifacts', { digest, limit: 1 })).items
    if (first !== undefined) return first.ref
    throw new SluiceError('unknown_ref', `Nothing is registered with the digest ${digest}.`, { digest })
  }
  const keep = (version: PulledVersion): void => {
    versions.set(version.ref, version)
    const known = labels.get(version.digest)
    if (known === undefined || version.ref < known) labels.set(version.digest, version.ref)
    if (versions.size > maxPulled) throw tooMany()
  }
  return {
    async add(refs: readonly string[]): Promise<void> {
      let waiting = [...new Set(refs)]
      if (waiting.length > maxPulled) throw tooMany()
      while (waiting.length > 0) {
        const fetched = (await forEach(waiting, fetchOne)).flat()
        for (const version of fetched) keep(version)
        const digests = [...new Set(fetched.flatMap(digestsIn))].filter((digest) => !labels.has(digest))
        waiting = [...new Set(await forEach(digests, labelOf))].filter((ref) => !versions.has(ref) && !dropped.has(ref))
      }
    },
    all: () => ({
      versions: [...versions.values()].sort((a, b) => (a.ref < b.ref ? -1 : 1)),
      labels,
      dropped: [...dropped].sort(),
    }),
  }
}

/** What a version refers to, and its parents. */
const digestsIn = ({ kind, content, parents }: PulledVersion): readonly Digest[] => [
  ...kindOf(kind)
    .references(content)
    .flatMap(({ ref }) => (isDigest(ref) ? [ref] : [])),
  ...parents,
]

function checked(version: PulledVersion, asked: string): PulledVersion {
  const { kind, name, semver, digest, content } = version
  const isVersion = kindNames.includes(kind) && isLabel(semver) && parseRef(`${kind}/${name}@${semver}`).name === name
  if (isVersion && digestOf({ content, kind }) === digest) return version
  throw new SluiceError('digest_mismatch', `What came as ${asked} is not what its digest says.`, { ref: asked })
}

const tooMany = (): SluiceError =>
  new SluiceError('invalid_request', `More than ${maxPulled} versions: pull by task or by reference instead.`)
