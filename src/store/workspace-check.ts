import type { CheckedItem, Registration } from '../domain/registration'
import type { TaskDraft } from '../domain/task'
import { SluiceError } from '../errors'
import type { Database } from './database'
import type { RowStore } from './rows'
import { resolveTask } from './tasks'
import type { VersionDocument } from './version-documents'
import { documentOf, judge } from './version-drafts'
import { databaseView, overlayView } from './version-view'

/** What registering all of these one after another would do. Writes nothing but rows, which are named by no version yet. */
export async function checkWorkspace(
  database: Database,
  rows: RowStore,
  drafts: { readonly registrations: readonly Registration[]; readonly tasks: readonly TaskDraft[] },
): Promise<readonly CheckedItem[]> {
  const accepted: VersionDocument[] = []
  const view = overlayView(databaseView(database), accepted)
  const items: CheckedItem[] = []
  for (const draft of drafts.registrations) {
    const ref = `${draft.kind}/${draft.name}@${draft.semver}`
    const item = await refusalAsItem(ref, async () => {
      const document = await documentOf(draft, view, rows)
      const judgement = await judge(document, view)
      if (judgement === undefined) return { ref, outcome: 'unchanged', digest: document.digest }
      accepted.push(document)
      return { ref, outcome: 'new', digest: document.digest, changeClass: judgement.changeClass }
    })
    items.push(item)
  }
  const names = new Set([...drafts.tasks.map((task) => task.name), ...(await taskNames(database))])
  for (const draft of drafts.tasks) {
    items.push(await refusalAsItem(`task/${draft.name}`, () => checkTask(draft, names, () => resolveTask(draft, view))))
  }
  return items
}

async function checkTask(draft: TaskDraft, names: ReadonlySet<string>, resolve: () => Promise<unknown>) {
  await resolve()
  if (draft.supersedes !== undefined && !names.has(draft.supersedes)) {
    throw new SluiceError('unknown_task', `${draft.name} supersedes ${draft.supersedes}, which does not exist.`)
  }
  return { ref: `task/${draft.name}`, outcome: 'new' } as const
}

async function refusalAsItem(ref: string, check: () => Promise<CheckedItem>): Promise<CheckedItem> {
  try {
    return await check()
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const { code, message, details } = error
    return { ref, outcome: 'refused', code, message, details }
  }
}

const taskNames = async (database: Database): Promise<readonly string[]> =>
  (
    await database
      .collection<{ _id: string }>('tasks')
      .find({}, { projection: { _id: 1 } })
      .toArray()
  ).map((task) => task._id)
