import type { ClientSession } from 'mongodb'
import { sameJson } from '../domain/diff'
import { parseRef } from '../domain/ref'
import { roleRef, type TaskDefinition, type TaskDraft } from '../domain/task'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { nameSchema } from '../kinds/kind'
import { resolveRoles } from './composites'
import type { CollectionSpec, Database } from './database'
import { once } from './once'
import { markUsed } from './version-uses'
import { databaseView, type VersionView } from './version-view'

interface TaskDocument {
  _id: string
  revision: number
  /** A list, since roles may hold dots. */
  roles: { role: string; ref: string }[]
  suite: string
  suiteDigest: Digest
  policy: string
  policyDigest: Digest
  supersedes?: string
  by: string
  at: Date
}

export const taskCollections: readonly CollectionSpec[] = [
  { name: 'tasks' },
  // Every state a task ever had: `_id` is `task/revision`.
  { name: 'task_revisions', indexes: [{ key: { task: 1, revision: 1 }, unique: true }] },
]

const maxTasks = 10_000

export interface TaskStore {
  putTask(task: TaskDraft, author: string, key?: string): Promise<TaskDefinition>
  task(name: string, session?: ClientSession): Promise<TaskDefinition>
  tasks(): Promise<readonly TaskDefinition[]>
}

export function createTaskStore(database: Database): TaskStore {
  const collection = database.collection<TaskDocument>('tasks')
  const view = databaseView(database)
  return {
    async putTask(draft, author, key) {
      const task = await resolveTask(draft, view)
      await markUsed(database, { digests: await digestsOf(task, view) })
      if (task.supersedes !== undefined && !(await collection.findOne({ _id: task.supersedes }))) {
        throw new SluiceError('unknown_task', `${task.name} supersedes ${task.supersedes}, which does not exist.`)
      }
      const at = new Date(await database.now())
      return once(database, key, async (session) => {
        const standing = await collection.findOne({ _id: task.name }, { session })
        if (standing && sameJson(definitionOf(standing), task)) return task
        const document = taskDocument(task, { revision: (standing?.revision ?? 0) + 1, by: author, at })
        await collection.replaceOne({ _id: task.name }, document, { session, upsert: true })
        const { _id, ...state } = document
        const revision = { ...state, _id: `${_id}/${document.revision}`, task: _id }
        await database.collection<typeof revision>('task_revisions').insertOne(revision, { session })
        return task
      })
    },
    async task(name, session) {
      const found = await collection.findOne({ _id: name }, session ? { session } : {})
      if (!found) throw new SluiceError('unknown_task', `No task is named ${name}.`, { task: name })
      return definitionOf(found)
    },
    async tasks() {
      const found = await collection.find().sort({ _id: 1 }).limit(maxTasks).toArray()
      return found.map(definitionOf)
    },
  }
}

/** The task with full references and the digests of suite and policy; throws where one does not resolve or fit. */
export async function resolveTask(draft: TaskDraft, view: VersionView): Promise<TaskDefinition> {
  if (!nameSchema.safeParse(draft.name).success) {
    throw new SluiceError('invalid_request', `${draft.name} is no task name: a-z, 0-9, dot, dash, underscore.`)
  }
  if (draft.supersedes === draft.name) {
    throw new SluiceError('invalid_request', `${draft.name} cannot supersede itself.`)
  }
  const pins = await resolveRoles(draft.roles, view)
  const suite = await view.find(parseRef(roleRef('suite', draft.suite)))
  const policy = await view.find(parseRef(roleRef('policy', draft.policy)))
  return {
    name: draft.name,
    roles: Object.fromEntries(Object.entries(pins).map(([role, pin]) => [role, pin.ref])),
    suite: suite._id,
    suiteDigest: suite.digest,
    policy: policy._id,
    policyDigest: policy.digest,
    ...(draft.supersedes === undefined ? {} : { supersedes: draft.supersedes }),
  }
}

async function digestsOf({ roles, suiteDigest, policyDigest }: TaskDefinition, view: VersionView) {
  const digests: Digest[] = [suiteDigest, policyDigest]
  for (const ref of Object.values(roles)) digests.push((await view.find(parseRef(ref))).digest)
  return digests
}

function definitionOf(document: TaskDocument): TaskDefinition {
  const { _id, roles, suite, suiteDigest, policy, policyDigest, supersedes } = document
  return {
    name: _id,
    roles: Object.fromEntries(roles.map(({ role, ref }) => [role, ref])),
    suite,
    suiteDigest,
    policy,
    policyDigest,
    ...(supersedes === undefined ? {} : { supersedes }),
  }
}

function taskDocument(task: TaskDefinition, change: Pick<TaskDocument, 'revision' | 'by' | 'at'>): TaskDocument {
  const { name, roles, ...rest } = task
  return { _id: name, ...rest, roles: Object.entries(roles).map(([role, ref]) => ({ role, ref })), ...change }
}
