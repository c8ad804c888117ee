import { relative, resolve } from 'node:path'
import type { Command } from 'commander'
import type { TenantEntry } from '../../domain/tenant'
import { SluiceError } from '../../errors'
import { type Cli, withExample } from '../cli'
import { everyItem } from '../pages'
import { pulledFiles, tenantsFile } from '../pull-files'
import { type Pulled, pullVersions, type Selection } from '../pulled'
import { countText } from '../wording'
import { type WrittenFile, writeFolder } from '../workspace-write'

interface PullOptions {
  readonly task: readonly string[]
  readonly all?: true
  readonly force?: true
}

const several = (value: string, before: readonly string[]): readonly string[] => [...before, value]

export function pullCommand(program: Command, cli: Cli): void {
  const command = program
    .command('pull')
    .description('write what is registered as a workspace folder, which pushes back to the same digests')
    .argument('[dir]', 'the workspace folder', '.')
    .argument('[refs...]', 'versions (kind/name@semver), all of an artifact (kind/name), composites (task@production)')
    .option('--task <task>', 'a task with all that it names; may be given again', several, [])
    .option('--all', 'every version, task and tenant; also where nothing else is asked for')
    .option('--force', 'write over files with other content')
    .action((directory: string, refs: readonly string[], options: PullOptions) =>
      pull(cli, resolve(cli.directory, directory), { selection: selectionOf(refs, options), options }),
    )
  withExample(command, 'pull workspace', 'pull workspace --task csat-scoring', 'pull . prompt/csat suite/airline@1.0.0')
}

function selectionOf(refs: readonly string[], { task, all }: PullOptions): Selection | 'all' {
  const isNarrow = refs.length + task.length > 0
  if (all && isNarrow) throw new SluiceError('invalid_request', 'Give --all, or what to pull, not both.')
  return isNarrow ? { tasks: task, refs } : 'all'
}

interface Order {
  readonly selection: Selection | 'all'
  readonly options: PullOptions
}

const maxTenants = 5000
const tenantsPerPage = 500

async function pull(cli: Cli, directory: string, { selection, options }: Order): Promise<void> {
  const pulled = await pullVersions(cli.api, selection)
  const tenants =
    selection === 'all' ? await everyItem<TenantEntry>(cli.api, '/v1/tenants', { limit: tenantsPerPage }) : []
  if (tenants.length > maxTenants) {
    throw new SluiceError('invalid_request', `A folder holds ${maxTenants} tenants; there are ${tenants.length}.`)
  }
  const files = [...pulledFiles(cli.api, pulled), ...(tenants.length === 0 ? [] : [tenantsFile(tenants)])]
  if (files.length === 0) throw new SluiceError('not_found', 'Nothing is registered here, so there is nothing to pull.')
  const written = await writeFolder(directory, files, { force: options.force === true })
  report(cli, { directory, pulled, tenants, written })
}

interface Report {
  readonly directory: string
  readonly pulled: Pulled
  readonly tenants: readonly TenantEntry[]
  readonly written: readonly WrittenFile[]
}

function report({ print, directory: from }: Cli, { directory, pulled, tenants, written }: Report): void {
  const own = tenants.filter(({ state }) => Object.keys(state.tasks).length > 0)
  const notices = [
    ...(own.length === 0 ? [] : [`${countText(own.length, 'tenant')} pinned or chose versions: no file says it`]),
    ...pulled.dropped.map((ref) => `${ref} is not in the folder: retention dropped what it held`),
  ]
  for (const notice of notices) print.progress(notice)
  const fresh = written.filter(({ outcome }) => outcome !== 'unchanged')
  if (fresh.length > 0)
    print.table(
      ['', 'file'],
      fresh.map(({ outcome, file }) => [outcome, file]),
    )
  const place = relative(from, directory) || '.'
  const what = [
    countText(pulled.versions.length, 'version'),
    countText(pulled.tasks.length, 'task'),
    countText(tenants.length, 'tenant'),
  ]
  print.line(
    `${what.join(', ')} in ${place}: ${fresh.length} files written, ${written.length - fresh.length} as they were.`,
  )
  print.data({
    directory,
    versions: pulled.versions.map(({ ref, digest }) => ({ ref, digest })),
    tasks: pulled.tasks.map(({ name }) => name),
    tenants: tenants.length,
    files: written,
    notices,
  })
}
