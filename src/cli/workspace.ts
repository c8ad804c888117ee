import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { compare } from 'semver'
import { z } from 'zod'
import { isDigest, parseRef } from '../domain/ref'
import { roleRef, type TaskDraft } from '../domain/task'
import { rings } from '../domain/tenant'
import { kindNames } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { describeIssues, nameSchema } from '../kinds/kind'
import { type ArtifactPath, readArtifact, type WorkspaceArtifact } from './workspace-artifact'
import { fileEndings, malformed, parseKeys, readText } from './workspace-file'

/** Everything a workspace folder says, checked as far as can be without the server. */
export interface Workspace {
  /** What is referred to comes before what refers to it. */
  readonly artifacts: readonly WorkspaceArtifact[]
  /** A task comes after the one it supersedes. */
  readonly tasks: readonly TaskDraft[]
  readonly tenants: readonly WorkspaceTenant[]
  /** What was seen and not read. */
  readonly notices: readonly string[]
}

const maxFiles = 5000
const maxProblems = 20

const taskSchema = z.strictObject({
  roles: z.record(z.string(), z.string()),
  suite: z.string(),
  policy: z.string(),
  supersedes: nameSchema.exactOptional(),
})

const tenantSchema = z.strictObject({
  id: z.string().min(1).max(256),
  ring: z.enum(rings).default('general'),
  region: z.string().exactOptional(),
  locale: z.string().exactOptional(),
  contacts: z.array(z.string()).exactOptional(),
  reason: z.string().min(1).exactOptional(),
})
export type WorkspaceTenant = z.infer<typeof tenantSchema>
const tenantsSchema = z.strictObject({ tenants: z.array(tenantSchema).max(maxFiles) })

const isFileEnding = (ending: string): boolean => fileEndings.some((known) => known === ending)

/** Folders that other commands read. */
const otherFolders = ['releases']

/** Reads the whole folder; throws `malformed_file` with every problem found, each with file and place. */
export async function readWorkspace(directory: string): Promise<Workspace> {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    throw new SluiceError('malformed_file', `${directory} is no folder.`)
  }
  const problems: SluiceError[] = []
  const attempt = async <T>(read: () => T | Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      problems.push(error)
      return otherwise
    }
  }
  const artifacts: WorkspaceArtifact[] = []
  for (const place of await attempt(() => artifactPaths(directory, problems), [])) {
    artifacts.push(...(await attempt(async () => [await readArtifact(place)], [])))
  }
  const tasks: TaskDraft[] = []
  for (const file of listed(directory, 'tasks')) {
    tasks.push(...(await attempt(() => [readTask(directory, file)], [])))
  }
  const tenants = await attempt(() => readTenants(directory), [])
  if (artifacts.length + tasks.length + tenants.length === 0 && problems.length === 0) {
    problems.push(malformed(basename(directory), undefined, 'holds no artifact, task or tenant'))
  }
  if (problems.length > 0) throw allProblems(problems)
  const notices = [...unreadNotices(directory), ...artifacts.flatMap((artifact) => artifact.notices)]
  return { artifacts: inOrder(artifacts), tasks: tasksInOrder(tasks), tenants, notices }
}

function allProblems(problems: readonly SluiceError[]): SluiceError {
  const shown = problems.slice(0, maxProblems).map((problem) => problem.message)
  const more = problems.length > maxProblems ? [`and ${problems.length - maxProblems} more.`] : []
  return new SluiceError('malformed_file', [...shown, ...more].join('\n'), {
    problems: problems.slice(0, maxProblems).map(({ message, details }) => ({ message, ...details })),
  })
}

/** Names within a folder, sorted; dot files left out. */
function listed(directory: string, folder: string): readonly string[] {
  const path = join(directory, folder)
  if (!existsSync(path)) return []
  return readdirSync(path)
    .filter((name) => !name.startsWith('.'))
    .sort()
}

function artifactPaths(directory: string, problems: SluiceError[]): readonly ArtifactPath[] {
  const found: ArtifactPath[] = []
  for (const kind of kindNames) {
    const { folder } = kindOf(kind)
    for (const name of listed(directory, folder)) {
      const files = statSync(join(directory, folder, name)).isDirectory() ? listed(directory, join(folder, name)) : []
      if (files.length === 0) problems.push(malformed(`${folder}/${name}`, undefined, 'holds no <semver>.yaml'))
      for (const entry of files) {
        const file = `${folder}/${name}/${entry}`
        const place = placeOf({ directory, folder: `${folder}/${name}`, entry, siblings: files })
        if (place === undefined)
          problems.push(malformed(file, undefined, 'is no <semver>.yaml, .json, .prompt or .jsonl'))
        else if (place !== 'rows') found.push({ ...place, kind, name, file })
      }
    }
  }
  if (found.length > maxFiles) throw malformed(basename(directory), undefined, `has more than ${maxFiles} artifacts`)
  return found
}

interface Entry {
  readonly directory: string
  readonly folder: string
  readonly entry: string
  readonly siblings: readonly string[]
}

function placeOf({ directory, folder, entry, siblings }: Entry) {
  const ending = extname(entry)
  const semver = entry.slice(0, -ending.length)
  const same = siblings.filter((other) => isFileEnding(extname(other)) && other.startsWith(`${semver}.`))
  const twins = same.filter((other) => other.slice(0, -extname(other).length) === semver)
  if (ending === '.jsonl') return twins.length === 1 ? 'rows' : undefined
  const isPromptFile = ending === '.prompt' && !folder.startsWith(`${kindOf('prompt').folder}/`)
  if (!isFileEnding(ending) || isPromptFile || twins.length > 1) return undefined
  const rows = `${semver}.jsonl`
  return {
    path: join(directory, folder, entry),
    semver,
    ...(siblings.includes(rows) ? { rowsPath: join(directory, folder, rows) } : {}),
  }
}

function readTask(directory: string, entry: string): TaskDraft {
  const file = `tasks/${entry}`
  const name = entry.replace(/\.(yaml|yml|json)$/, '')
  if (name === entry || !nameSchema.safeParse(name).success) throw malformed(file, undefined, 'is no <task>.yaml')
  const parsed = taskSchema.safeParse(parseKeys(readText(join(directory, file), file), file))
  if (!parsed.success) throw malformed(file, undefined, issueText(parsed.error))
  try {
    for (const [role, ref] of Object.entries(parsed.data.roles)) parseRef(roleRef(role, ref))
    parseRef(roleRef('suite', parsed.data.suite))
    parseRef(roleRef('policy', parsed.data.policy))
  } catch (error) {
    throw malformed(file, undefined, (error as Error).message.replace(/\.$/, ''))
  }
  return { name, ...parsed.data }
}

function readTenants(directory: string): readonly WorkspaceTenant[] {
  const file = 'tenants.yaml'
  if (!existsSync(join(directory, file))) return []
  const parsed = tenantsSchema.safeParse(parseKeys(readText(join(directory, file), file), file))
  if (!parsed.success) throw malformed(file, undefined, issueText(parsed.error))
  return parsed.data.tenants
}

function issueText(error: z.ZodError): string {
  return describeIssues(error)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ')
}

function unreadNotices(directory: string): readonly string[] {
  const read = [...kindNames.map((kind) => kindOf(kind).folder), 'tasks', ...otherFolders]
  return listed(directory, '.')
    .filter((name) => statSync(join(directory, name)).isDirectory() && !read.includes(name))
    .map((name) => `${name}/ is not read: no kind of artifact has this folder`)
}

const refOf = (artifact: WorkspaceArtifact): string => `${artifact.kind}/${artifact.name}@${artifact.semver}`

/** By kind, name and semver, with what an artifact refers to, and its parents, before it. */
function inOrder(artifacts: readonly WorkspaceArtifact[]): readonly WorkspaceArtifact[] {
  const sorted = [...artifacts].sort((a, b) => (a.name === b.name ? compare(a.semver, b.semver) : 0))
  const waiting = new Map(sorted.map((artifact) => [refOf(artifact), artifact]))
  const ordered: WorkspaceArtifact[] = []
  const visit = (artifact: WorkspaceArtifact): void => {
    if (!waiting.delete(refOf(artifact))) return
    for (const target of targetsOf(artifact)) {
      const needed = waiting.get(target)
      if (needed !== undefined) visit(needed)
    }
    ordered.push(artifact)
  }
  for (const artifact of sorted) visit(artifact)
  return ordered
}

function targetsOf({ kind, content, parents = [] }: WorkspaceArtifact): readonly string[] {
  if (content === undefined) return parents
  const references = kindOf(kind)
    .references(content)
    .filter(({ ref }) => !isDigest(ref))
    .map(({ kind: implied, ref }) => parseRef(ref, implied))
    .map((ref) => `${ref.kind}/${ref.name}@${ref.version}`)
  return [...references, ...parents]
}

function tasksInOrder(tasks: readonly TaskDraft[]): readonly TaskDraft[] {
  const ordered: TaskDraft[] = []
  const visit = (task: TaskDraft, above: readonly string[]): void => {
    if (ordered.includes(task) || above.includes(task.name)) return
    const before = tasks.find((other) => other.name === task.supersedes)
    if (before !== undefined) visit(before, [...above, task.name])
    ordered.push(task)
  }
  for (const task of tasks) visit(task, [])
  return ordered
}
