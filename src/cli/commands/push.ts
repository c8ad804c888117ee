import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CheckedItem } from '../../domain/registration'
import type { ChangeClass, Digest } from '../../domain/version'
import { type ErrorCode, SluiceError } from '../../errors'
import { type Cli, withExample } from '../cli'
import type { ApiClient } from '../client'
import { everyItem } from '../pages'
import { type RowFile, readRows } from '../row-file'
import { type UploadState, uploadRows } from '../row-upload'
import { readWorkspace, type Workspace, type WorkspaceTenant } from '../workspace'
import type { WorkspaceArtifact } from '../workspace-artifact'

export function pushCommand(program: Command, cli: Cli): void {
  const command = program
    .command('push')
    .description('register everything in a workspace folder; what is registered already is left as it is')
    .argument('<dir>', 'the workspace folder')
    .action((directory: string) => push(cli, resolve(cli.directory, directory)))
  withExample(command, 'push examples/airline', 'push . --json')
}

/** What a push did to one thing. */
interface Pushed {
  readonly ref: string
  readonly outcome: 'new' | 'changed' | 'unchanged'
  readonly changeClass?: ChangeClass
  readonly digest?: Digest
}

export async function push(cli: Cli, directory: string): Promise<void> {
  const workspace = await readWorkspace(directory)
  for (const notice of workspace.notices) cli.print.progress(notice)
  const drafts = await draftsOf(cli, workspace.artifacts)
  const checked = await checkAll(cli.api, drafts, workspace)
  const pushed = [
    ...(await registerNew(cli.api, drafts, checked)),
    ...(await putTasks(cli.api, workspace)),
    ...(await putTenants(cli.api, workspace.tenants)),
  ]
  report(cli, pushed)
}

interface Draft {
  readonly kind: string
  readonly name: string
  readonly semver: string
  readonly description: string
  readonly content: unknown
  readonly parents?: readonly string[]
  readonly provenance?: Readonly<Record<string, unknown>>
}

/** Rows go first: they are named by their content, and a row that no dataset names changes nothing. */
async function draftsOf(cli: Cli, artifacts: readonly WorkspaceArtifact[]): Promise<readonly Draft[]> {
  const drafts: Draft[] = []
  for (const { file: _file, notices: _notices, rows, ...artifact } of artifacts) {
    const content =
      rows === undefined
        ? artifact.content
        : { ...(artifact.content as object | undefined), ...(await upload(cli, rows)) }
    drafts.push({ ...artifact, content })
  }
  return drafts
}

const rowsPerNotice = 100_000

async function upload({ api, print }: Cli, source: RowFile) {
  const { file, path } = source
  const size = statSync(path).size
  let nextNotice = rowsPerNotice
  const told = ({ rows, sent, bytes }: UploadState) => {
    if (rows < nextNotice) return
    nextNotice += rowsPerNotice
    print.progress(`${file}: ${rows} rows, ${Math.floor((bytes / size) * 100)} %, ${sent} of them sent`)
  }
  const { root, count, columns, sent } = await uploadRows(api, { file, rows: readRows(source) }, told)
  const news = sent === 0 ? 'all stored already' : sent === count ? 'sent' : `${sent} sent, the others stored already`
  print.progress(`${file}: ${count} rows, ${news}`)
  return { root, count, columns }
}

/** Asks the server about the whole folder before anything of it is registered. */
async function checkAll(api: ApiClient, drafts: readonly Draft[], workspace: Workspace) {
  const body = { artifacts: drafts, tasks: workspace.tasks }
  const { items } = await api.post<{ items: CheckedItem[] }>('/v1/workspaces/check', body)
  const refused = items.filter((item) => item.outcome === 'refused')
  const [first] = refused
  if (first === undefined) return items
  const files = new Map(workspace.artifacts.map(({ kind, name, semver, file }) => [`${kind}/${name}@${semver}`, file]))
  const fileOf = (ref: string) => files.get(ref) ?? `${ref.replace(/^task\//, 'tasks/')}.yaml`
  const lines = refused.map((item) => `${fileOf(item.ref)}: ${item.code}: ${item.message}`)
  throw new SluiceError(first.code as ErrorCode, lines.join('\n'), {
    ...first.details,
    refused: refused.map((item) => ({ file: fileOf(item.ref), ...item })),
  })
}

async function registerNew(api: ApiClient, drafts: readonly Draft[], checked: readonly CheckedItem[]) {
  const outcomes = new Map(checked.map((item) => [item.ref, item]))
  const pushed: Pushed[] = []
  for (const draft of drafts) {
    const ref = `${draft.kind}/${draft.name}@${draft.semver}`
    const known = outcomes.get(ref)
    if (known?.outcome === 'unchanged') {
      pushed.push({ ref, outcome: 'unchanged', ...(known.digest ? { digest: known.digest } : {}) })
      continue
    }
    const answer = await api.post<RegisteredAnswer>('/v1/artifacts', draft)
    const { version, created, changeClass } = answer
    pushed.push({ ref, outcome: created ? 'new' : 'unchanged', changeClass, digest: version.digest })
  }
  return pushed
}

interface RegisteredAnswer {
  readonly version: { readonly digest: Digest }
  readonly created: boolean
  readonly changeClass: ChangeClass
}

async function putTasks(api: ApiClient, { tasks }: Workspace): Promise<readonly Pushed[]> {
  const pushed: Pushed[] = []
  for (const { name, ...body } of tasks) {
    const path = `/v1/tasks/${encodeURIComponent(name)}`
    const before = await orAbsent(api.get<unknown>(path))
    const after = await api.put<unknown>(path, body)
    pushed.push({ ref: `task/${name}`, outcome: outcomeOf(before, after) })
  }
  return pushed
}

async function putTenants(api: ApiClient, tenants: readonly WorkspaceTenant[]): Promise<readonly Pushed[]> {
  const pushed: Pushed[] = []
  const before = tenants.length === 0 ? new Map<string, number>() : await knownTenants(api)
  for (const { id, reason = 'as the workspace says', ...settings } of tenants) {
    const { seq } = await api.put<{ seq: number }>(`/v1/tenants/${encodeURIComponent(id)}`, { ...settings, reason })
    const old = before.get(id)
    pushed.push({ ref: `tenant/${id}`, outcome: outcomeOf(old, seq) })
  }
  return pushed
}

const tenantsPerPage = 500

/** Tenant → its newest entry. */
async function knownTenants(api: ApiClient): Promise<ReadonlyMap<string, number>> {
  const known = await everyItem<TenantHead>(api, '/v1/tenants', { limit: tenantsPerPage })
  return new Map(known.map(({ tenant, seq }) => [tenant, seq]))
}

interface TenantHead {
  readonly tenant: string
  readonly seq: number
}

function outcomeOf(before: unknown, after: unknown): Pushed['outcome'] {
  if (before === undefined) return 'new'
  return JSON.stringify(before) === JSON.stringify(after) ? 'unchanged' : 'changed'
}

async function orAbsent<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_task') return undefined
    throw error
  }
}

function report(cli: Cli, pushed: readonly Pushed[]): void {
  const moved = pushed.filter((item) => item.outcome !== 'unchanged')
  if (moved.length > 0) {
    cli.print.table(
      ['', 'what', 'class', 'digest'],
      moved.map((item) => [item.outcome, item.ref, classText(item.changeClass), item.digest?.slice(0, 19) ?? '']),
    )
  }
  const same = pushed.length - moved.length
  cli.print.line(`${moved.length} new or changed, ${same} unchanged.`)
  cli.print.data({ items: pushed })
}

const classText = (changeClass: ChangeClass | undefined): string =>
  changeClass === undefined || changeClass === 'none' ? '' : changeClass
