import { createReadStream, createWriteStream } from 'node:fs'
import { access, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { CompositeVerification, ServedComposite, VerifiedPart } from '../../domain/composite'
import type { Imported } from '../../domain/composite-file'
import type { Deployment, Standing } from '../../domain/standing'
import type { Digest } from '../../domain/version'
import { assert, SluiceError } from '../../errors'
import { textArgument } from '../arguments'
import { type Cli, withExample } from '../cli'
import { printDeployments, printStanding } from '../standing-text'
import { countText, dateText, shortDigest } from '../wording'

/** A composite as the API shows it. */
type Shown = ServedComposite & Standing & { readonly parents: readonly Digest[]; readonly createdAt: string }

export function compositeCommand(program: Command, cli: Cli): void {
  const composite = program.command('composite').description('what one task pins, role by role')
  const show = composite
    .command('show')
    .description('show the roles of a composite, where it serves, how it was tested and where it was deployed')
    .argument('<composite>', which)
    .action((id: string) => showComposite(cli, id))
  withExample(show, 'composite show csat-scoring@production')
  const verify = composite
    .command('verify')
    .description('compute every digest that a composite rests on again from what is stored, rows too')
    .argument('<composite>', which)
    .action((id: string) => verifyComposite(cli, id))
  withExample(verify, 'composite verify csat-scoring@production', 'composite verify sha256:4f0c… --json')
  const save = composite
    .command('export')
    .description('write a composite with everything that it rests on to one file')
    .argument('<composite>', which)
    .requiredOption('-o, --output <file>', 'the file; replaced as a whole once it is complete', textArgument)
    .option('--rows', 'with the rows of its datasets')
    .action((id: string, options: ExportOptions) => exportComposite(cli, id, options))
  withExample(
    save,
    'composite export csat-scoring@production --output csat.composite',
    'composite export csat-scoring@production --output csat.composite --rows',
  )
  const load = composite
    .command('import')
    .description('register the composite of a file under the same id; an altered file is refused, and changes nothing')
    .argument('<file>', 'as `composite export` wrote it')
    .option('--prefix <text>', 'put this before the name of every version, where labels are taken', textArgument)
    .action((file: string, options: { prefix?: string }) => importComposite(cli, file, options.prefix))
  withExample(load, 'composite import csat.composite', 'composite import csat.composite --prefix partner-')
}

const which = 'its id, task@id or task@environment'
const path = (id: string): string => `/v1/composites/${encodeURIComponent(id)}`

async function showComposite(cli: Cli, id: string): Promise<void> {
  const { api, print } = cli
  const found = await api.get<Shown>(path(id))
  const { items: deployments } = await api.get<{ items: readonly Deployment[] }>(`${path(found.id)}/deployments`)
  print.data({ ...found, deployments })
  print.line(found.id)
  print.table(
    ['role', 'version', 'digest'],
    Object.entries(found.roles).map(([role, pin]) => [role, pin.ref, pin.digest]),
  )
  print.line(`created    ${dateText(Date.parse(found.createdAt))}`)
  if (found.parents.length > 0) print.line(`parents    ${found.parents.join(', ')}`)
  printStanding(cli, found)
  printDeployments(cli, deployments)
}

async function verifyComposite({ api, print }: Cli, id: string): Promise<void> {
  const found = await api.get<CompositeVerification>(`${path(id)}/verification`)
  print.data(found)
  print.table(
    ['', 'version', 'digest', 'what'],
    found.parts.map(({ state, ref, digest, rows, problem }) => [
      stateText[state],
      ref,
      digest,
      problem ?? (rows === undefined ? '' : countText(rows, 'row')),
    ]),
  )
  for (const role of found.roles.filter((one) => !one.valid)) {
    print.line(`${role.role} is pinned as ${role.ref} with ${role.digest}, and is not that any more.`)
  }
  const dropped = found.parts.filter(({ state }) => state === 'dropped')
  if (dropped.length > 0 && found.parts.every(({ state }) => state !== 'altered' && state !== 'missing')) {
    const text = `${found.id} rests on ${dropped.map(({ ref }) => ref).join(', ')}, which retention dropped.`
    throw new SluiceError('content_dropped', text, { ...found })
  }
  if (!found.valid) {
    throw new SluiceError('digest_mismatch', `What is stored of ${found.id} is not what its id says.`, { ...found })
  }
  print.line(`${found.id} is what its contents say.`)
}

const stateText: Readonly<Record<VerifiedPart['state'], string>> = {
  ok: 'ok',
  altered: 'ALTERED',
  missing: 'MISSING',
  not_imported: 'rows not imported',
  dropped: 'dropped by retention',
}

interface ExportOptions {
  readonly output: string
  readonly rows?: boolean
}

/** A file that breaks off is never taken for a whole one: it gets its name when its last line is there. */
async function exportComposite({ api, print, directory }: Cli, id: string, { output, rows }: ExportOptions) {
  const file = resolve(directory, output)
  const unfinished = `${file}.unfinished`
  const answer = await api.open(`${path(id)}/export`, { rows: rows === true })
  assert(answer.body !== null, 'an export has a body')
  const seen = { bytes: 0, end: '' }
  try {
    await pipeline(answer.body, watchEnd(seen), createWriteStream(unfinished))
    const digest = digestOfEnd(seen.end)
    await rename(unfinished, file)
    print.data({ file, bytes: seen.bytes, digest })
    print.line(`${output}: ${seen.bytes} bytes, ${digest}`)
  } catch (error) {
    await rm(unfinished, { force: true })
    if (error instanceof SluiceError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error
    throw new SluiceError('api_unreachable', `The export broke off: ${(error as Error).message}.`)
  }
}

/** More than the last line has. */
const endBytes = 1_000

function watchEnd(seen: { bytes: number; end: string }) {
  return async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      seen.bytes += chunk.length
      seen.end = `${seen.end}${Buffer.from(chunk).subarray(-endBytes).toString('latin1')}`.slice(-endBytes)
      yield chunk
    }
  }
}

function digestOfEnd(end: string): string {
  const [, digest] = /\{"hash":"(sha256:[0-9a-f]{64})","value":\{"line":"end",[^\n]*\n$/.exec(end) ?? []
  if (digest !== undefined) return digest
  throw new SluiceError('digest_mismatch', 'The export broke off: `sluice composite verify` says what is damaged.')
}

async function importComposite({ api, print, directory }: Cli, file: string, prefix: string | undefined) {
  const source = resolve(directory, file)
  await access(source).catch(() => {
    throw new SluiceError('malformed_file', `${file} cannot be read.`)
  })
  const body = () => Readable.toWeb(createReadStream(source)) as ReadableStream
  const upload = { type: 'application/x-ndjson', body }
  const found = await api.upload<Imported>('/v1/composites/import', upload, { prefix })
  print.data(found)
  print.table(
    ['', 'version', 'digest'],
    found.versions.map(({ ref, digest, created }) => [created ? 'new' : 'stands', ref, shortDigest(digest)]),
  )
  if (found.rows > 0) print.line(countText(found.rows, 'row'))
  print.line(`${found.composite} ${found.created ? 'is imported' : 'stood already'}, from the file ${found.file}.`)
}
