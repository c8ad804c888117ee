import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { SluiceError } from '../../errors'
import { canonicalJson, digestOf } from '../../store/canonical'
import { createRootHash, packSorted } from '../../store/row-digests'
import { type Cli, withExample } from '../cli'
import { importers } from '../imports'
import {
  createImported,
  type Imported,
  type ImportedDraft,
  type Importer,
  type Leftover,
  type Price,
} from '../imports/importer'
import { openSource } from '../imports/source'
import { countText } from '../wording'
import { draftFile, type FolderFile, rowsFile, type WrittenFile, writeFolder } from '../workspace-write'
import { push } from './push'

interface ImportOptions {
  readonly out: string
  readonly lossy?: true
  readonly force?: true
  readonly push?: true
  readonly price: ReadonlyMap<string, Price>
}

export function importCommand(program: Command, cli: Cli): void {
  const command = program.command('import').description('turn prompts and tests of other tools into a workspace folder')
  for (const importer of Object.values<Importer>(importers)) {
    const one = command
      .command(importer.name)
      .description(importer.reads)
      .argument('<path>', 'the file or folder; nothing outside of it is read')
      .option('--out <dir>', 'the workspace folder', '.')
      .option('--price <model=in/cached/out>', 'USD per million tokens; may be given again', pricesArgument, new Map())
      .option('--lossy', 'take the rest where something cannot be taken over')
      .option('--force', 'write over files with other content')
      .option('--push', 'register the folder afterwards, as `sluice push` does')
      .action((path: string, options: ImportOptions) => importFrom(cli, importer, { path, options }))
    withExample(one, `import ${importer.name} export --out workspace --price gpt-4o=2.5/1.25/10`)
  }
}

const maxPrice = 100_000
const priceText = /^(?:(.+)=)?([^/=]+)\/([^/]+)\/([^/]+)$/

function pricesArgument(text: string, before: ReadonlyMap<string, Price>): ReadonlyMap<string, Price> {
  const [, model = '*', ...numbers] = priceText.exec(text) ?? []
  const [input = Number.NaN, cachedInput = Number.NaN, output = Number.NaN] = numbers.map(Number)
  if (![input, cachedInput, output].every((price) => price >= 0 && price <= maxPrice)) {
    throw new InvalidArgumentError('Write model=input/cachedInput/output, such as gpt-4o=2.5/1.25/10.')
  }
  return new Map([...before, [model, { input, cachedInput, output }]])
}

interface Order {
  readonly path: string
  readonly options: ImportOptions
}

async function importFrom(cli: Cli, importer: Importer, { path, options }: Order): Promise<void> {
  const into = createImported()
  const source = openSource(resolve(cli.directory, path))
  importer.convert(source, into, { priceOf: (model) => options.price.get(model) ?? options.price.get('*') })
  const lost = into.leftovers.filter(({ weight }) => weight === 'lost')
  if (lost.length > 0 && options.lossy !== true) throw lossyImport(lost)
  if (into.drafts.length === 0) {
    throw new SluiceError('malformed_file', `Nothing in ${path} could be read as ${importer.name}: ${importer.reads}.`)
  }
  const directory = resolve(cli.directory, options.out)
  const written = await writeFolder(directory, into.drafts.flatMap(filesOf), { force: options.force === true })
  report(cli, { directory, into, written })
  if (options.push) await push(cli, directory)
}

const maxShown = 50

function lossyImport(lost: readonly Leftover[]): SluiceError {
  const lines = lost.slice(0, maxShown).map(leftoverLine)
  const more = lost.length > maxShown ? [`and ${lost.length - maxShown} more`] : []
  const text = [`${countText(lost.length, 'thing')} would be lost, so nothing was written:`, ...lines, ...more].join(
    '\n',
  )
  return new SluiceError('lossy_import', text, { lost: lost.slice(0, maxShown), count: lost.length })
}

const leftoverLine = ({ at, what, why }: Leftover): string => `${at}: ${what}: ${why}`

function filesOf(draft: ImportedDraft): readonly FolderFile[] {
  const { rows, ...said } = draft
  if (rows === undefined) return [draftFile(said)]
  const hash = createRootHash()
  hash.add(packSorted(rows.map((row) => digestOf(row))))
  const text = rows.map((row) => `${canonicalJson(row)}\n`).join('')
  const write = async (path: string) => writeFileSync(path, text)
  return [rowsFile(said, hash.root(), write), draftFile(said)]
}

interface Report {
  readonly directory: string
  readonly into: Imported
  readonly written: readonly WrittenFile[]
}

function report({ print }: Cli, { directory, into, written }: Report): void {
  const { leftovers } = into
  print.table(
    ['', 'file'],
    written.map(({ outcome, file }) => [outcome, file]),
  )
  const lost = leftovers.filter(({ weight }) => weight === 'lost')
  const noted = leftovers.filter(({ weight }) => weight === 'noted')
  for (const [title, list] of [
    ['Lost', lost],
    ['Different here', noted],
  ] as const) {
    if (list.length > 0) print.line(`${title}:`)
    for (const leftover of list) print.line(`  ${leftoverLine(leftover)}`)
  }
  print.line(`${countText(into.drafts.length, 'version')} made, ${countText(lost.length, 'thing')} lost.`)
  const made = into.drafts.map(({ kind, name, semver }) => `${kind}/${name}@${semver}`)
  print.data({ directory, made, files: written, lost, noted })
}
