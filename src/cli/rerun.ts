import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { DatasetContent, DatasetStep } from '../domain/contents'
import type { DatasetRow } from '../domain/row-change'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { packDigest, splitSorted } from '../store/row-digests'
import type { ApiClient } from './client'
import { findRows, hashRows, type LocalRows } from './local-rows'
import { downloadFile, downloadRows, rowSetOf } from './row-download'
import type { RowFile } from './row-file'
import { type CommandRun, commandOf, runCommand, type StepFiles } from './step-command'

/** Where and how steps are run again. */
export interface RerunSettings extends CommandRun {
  /** For inputs and outputs. */
  readonly folder: string
  /** The code file, instead of the one that the step's `uri` names. */
  readonly code?: string
  /** Hears of each command before it is run. */
  readonly announce: (step: number, command: readonly string[]) => void
  /** True: nothing is pulled and nothing run. */
  readonly isDry: boolean
}

/** How the rows that a step made now compare with those that it is said to have made. */
export interface StepOutcome {
  readonly step: number
  readonly command: readonly string[]
  /** Root of the rows that the version claims, and of those made now; the latter absent on a dry run. */
  readonly claimed: Digest
  readonly made?: Digest
  readonly agrees?: boolean
  readonly counts?: {
    readonly claimed?: number
    readonly made: number
    readonly missing?: number
    readonly surplus?: number
  }
  /** The first rows that are claimed and were not made, and the other way round. */
  readonly missing?: readonly DatasetRow[]
  readonly surplus?: readonly DatasetRow[]
}

const shownRows = 5

/** Runs every step of a dataset in order, each on the inputs that it names. Stops after a step whose rows differ. */
export async function rerunSteps(
  api: ApiClient,
  content: DatasetContent,
  settings: RerunSettings,
): Promise<readonly StepOutcome[]> {
  const outcomes: StepOutcome[] = []
  let previous: string | undefined
  for (const [place, step] of (content.steps ?? []).entries()) {
    const files = await filesOf(step, place, { ...settings, previous })
    const command = commandOf(step, files)
    settings.announce(place + 1, command)
    if (settings.isDry) outcomes.push({ step: place + 1, command, claimed: step.output })
    else {
      await pullInputs(api, step, files)
      await runCommand(command, settings)
      outcomes.push({ step: place + 1, command, ...(await compare(api, step.output, files.output)) })
    }
    if (outcomes.at(-1)?.agrees === false) break
    previous = files.output
  }
  return outcomes
}

async function filesOf(
  step: DatasetStep,
  place: number,
  { folder, directory, code, previous }: RerunSettings & { readonly previous: string | undefined },
): Promise<StepFiles> {
  const own = join(folder, `step-${place + 1}`)
  const path = codePath(step, directory, code)
  await requireCode(step, path)
  return {
    code: path,
    inputs: Object.fromEntries(Object.keys(step.inputs).map((name) => [name, join(own, 'inputs', `${name}.jsonl`)])),
    ...(previous === undefined ? {} : { previous }),
    parameters: join(own, 'parameters.json'),
    output: join(own, 'output.jsonl'),
  }
}

const isAddress = /^[a-z][a-z0-9+.-]+:/i

function codePath({ code: { digest, uri } }: DatasetStep, directory: string, given: string | undefined): string {
  if (given !== undefined) return resolve(directory, given)
  if (uri !== undefined && !isAddress.test(uri) && !isAbsolute(uri)) return resolve(directory, uri)
  const where = uri === undefined ? 'does not say where its code is' : `has its code at ${uri}`
  throw new SluiceError('invalid_request', `The step ${where}: give the file with the digest ${digest} as --code.`)
}

/** Other code than the one that made the rows would prove nothing. */
async function requireCode({ code: { digest } }: DatasetStep, path: string): Promise<void> {
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new SluiceError('not_found', `The code is not at ${path}: give its folder as --dir, or the file as --code.`)
  }
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  const found: Digest = `sha256:${hash.digest('hex')}`
  if (found === digest) return
  const text = `${path} is other code than the one that made the rows: its digest is ${found}, not ${digest}.`
  throw new SluiceError('digest_mismatch', text, { path, digest, found })
}

async function pullInputs(api: ApiClient, step: DatasetStep, files: StepFiles): Promise<void> {
  mkdirSync(join(files.parameters, '..', 'inputs'), { recursive: true })
  writeFileSync(files.parameters, JSON.stringify(step.parameters))
  for (const [name, digest] of Object.entries(step.inputs)) {
    const { root } = await rowSetOf(api, digest)
    await downloadFile(api, root, files.inputs[name] as string)
  }
}

async function compare(api: ApiClient, claimed: Digest, path: string) {
  if (!existsSync(path)) throw new SluiceError('step_failed', `The command wrote no ${path}.`, { path })
  const source = { path, file: path }
  const local = await hashRows(source)
  const made = { claimed, made: local.root }
  if (local.root === claimed) return { ...made, agrees: true, counts: { claimed: local.count, made: local.count } }
  return { ...made, agrees: false, ...(await differences(api, claimed, { local, source })) }
}

/** The rows that an earlier step made may not be stored; then there is nothing to hold its new ones against. */
async function differences(api: ApiClient, claimed: Digest, made: { local: LocalRows; source: RowFile }) {
  const { local, source } = made
  const set = await storedSet(api, claimed)
  if (set === undefined) return { counts: { made: local.count } }
  const { removed, added } = await splitSorted(packed(downloadRows(api, claimed)), local.sorted(), shownRows)
  return {
    counts: { claimed: set.count, made: local.count, missing: removed.count, surplus: added.count },
    missing: await firstRows(api, claimed, removed.listed),
    surplus: await findRows(source, added.listed),
  }
}

async function storedSet(api: ApiClient, root: Digest) {
  try {
    return await rowSetOf(api, root)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_ref') return undefined
    throw error
  }
}

async function* packed(rows: AsyncIterable<{ readonly digest: Digest }>): AsyncGenerator<Buffer> {
  for await (const { digest } of rows) yield packDigest(digest)
}

/** They come in order of their digests, so that reading may end with the last one wanted. */
async function firstRows(api: ApiClient, root: Digest, wanted: readonly Digest[]): Promise<readonly DatasetRow[]> {
  const sought = new Set(wanted)
  const found: DatasetRow[] = []
  if (sought.size === 0) return found
  for await (const { digest, text } of downloadRows(api, root)) {
    if (!sought.delete(digest)) continue
    found.push({ digest, row: JSON.parse(text) })
    if (sought.size === 0) break
  }
  return found
}
