import type { ClassedChange } from '../domain/diff'
import { type BrokenConsumer, type Dependents, maxDependents } from '../domain/diff-report'
import { isDigest, parseRef } from '../domain/ref'
import type { TaskDefinition } from '../domain/task'
import type { Digest, KindName } from '../domain/version'
import { kindOf } from '../kinds'
import { placeName } from '../kinds/schema-place'
import type { Catalog } from './catalog'
import type { Database } from './database'
import { allTenants } from './planner'
import type { Tenants } from './tenants'
import type { VersionDocument } from './version-documents'
import { readContent } from './version-documents'

export interface DependentsDeps {
  readonly database: Database
  readonly catalog: Pick<Catalog, 'tasks'>
  readonly tenants: Tenants
}

/** What is looked for: the artifacts that change, the composites that have their earlier versions, and the differences. */
export interface Touched {
  /** `kind/name` */
  readonly artifacts: readonly string[]
  readonly composites: ReadonlySet<Digest>
  readonly changes: readonly ClassedChange[]
  /** Versions that read outputs of the later side itself, by digest. */
  readonly readers: readonly { readonly kind: KindName; readonly digest: Digest }[]
}

/** The keys of outputs that a change takes away, as consumers name them (dots lead on), and in which way. */
export function keysThatGo(changes: readonly ClassedChange[]): ReadonlyMap<string, string> {
  const by = (rule: string, how: string) =>
    changes.filter((change) => change.rule === rule).map(({ path }) => [placeName(path), how] as const)
  return new Map([...by('key_optional', 'may be missing'), ...by('key_removed', 'goes away')])
}

export async function dependentsOf(deps: DependentsDeps, touched: Touched): Promise<Dependents> {
  const tasks = await tasksWith(deps, touched)
  const tenants: string[] = []
  for await (const { tenant, state } of allTenants(deps.tenants)) {
    const overrides = Object.values(state.tasks).flatMap(({ override }) => (override === undefined ? [] : [override]))
    const rests = overrides.flatMap(({ base, pins }) => [base, ...Object.values(pins).map((pin) => pin.composite)])
    if (rests.some((composite) => touched.composites.has(composite))) tenants.push(tenant)
  }
  const consumers = await brokenConsumers(deps, touched, tasks)
  return {
    tasks: tasks.slice(0, maxDependents).map(({ name }) => name),
    taskCount: tasks.length,
    tenants: tenants.slice(0, maxDependents),
    tenantCount: tenants.length,
    consumers: consumers.slice(0, maxDependents),
    consumerCount: consumers.length,
  }
}

async function tasksWith({ database, catalog }: DependentsDeps, touched: Touched): Promise<readonly TaskDefinition[]> {
  const lanes = database.collection<{ _id: string; task: string; incumbent?: Digest; candidate?: Digest }>('lanes')
  const served = { $in: [...touched.composites] }
  const serving = new Set(await lanes.distinct('task', { $or: [{ incumbent: served }, { candidate: served }] }))
  const artifactOf = (ref: string) => ref.slice(0, ref.lastIndexOf('@'))
  return (await catalog.tasks()).filter(
    (task) =>
      serving.has(task.name) || Object.values(task.roles).some((ref) => touched.artifacts.includes(artifactOf(ref))),
  )
}

interface Reader {
  readonly document: VersionDocument
  readonly task?: string
}

async function brokenConsumers(
  { database }: DependentsDeps,
  touched: Touched,
  tasks: readonly TaskDefinition[],
): Promise<readonly BrokenConsumer[]> {
  const going = keysThatGo(touched.changes)
  if (going.size === 0) return []
  const versions = database.collection<VersionDocument>('versions')
  const readers: Reader[] = []
  const add = async (ref: string | { readonly kind: KindName; readonly digest: Digest }, task?: string) => {
    const { kind, ...label } = typeof ref === 'string' ? labelOf(ref) : ref
    if (kindOf(kind).reads === undefined) return
    const document = await versions.findOne({ kind, ...label })
    if (document) readers.push({ document, ...(task === undefined ? {} : { task }) })
  }
  for (const task of tasks) for (const ref of [...Object.values(task.roles), task.suite]) await add(ref, task.name)
  for (const reader of touched.readers) await add(reader)
  const found = readers.flatMap((reader) => consumersAt(reader, going))
  return found.filter((consumer, place) => found.findIndex((other) => saysAsMuch(other, consumer)) === place)
}

/** One that is found through a task says more than the same without it. */
const saysAsMuch = (one: BrokenConsumer, other: BrokenConsumer): boolean =>
  one.ref === other.ref && one.key === other.key && (one.task === other.task || other.task === undefined)

function labelOf(
  ref: string,
): { readonly kind: KindName } & Partial<Pick<VersionDocument, 'name' | 'semver' | 'digest'>> {
  const { kind, name, version } = parseRef(ref)
  return isDigest(version) ? { kind, digest: version } : { kind, name, semver: version }
}

function consumersAt({ document, task }: Reader, going: ReadonlyMap<string, string>): readonly BrokenConsumer[] {
  const { kind, _id: ref } = document
  const reads = kindOf(kind).reads?.(readContent(document)) ?? []
  return [...going].flatMap(([key, how]) => {
    const named = reads.find((read) => read === key || read.startsWith(`${key}.`) || key.startsWith(`${read}.`))
    if (named === undefined) return []
    const whose = task === undefined ? '' : ` of ${task}`
    return [
      { ref, kind, key, ...(task === undefined ? {} : { task }), text: `${ref}${whose} names ${named}: ${key} ${how}` },
    ]
  })
}
