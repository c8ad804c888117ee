import { type Command, Option } from 'commander'
import { type NoteFormat, noteFormats, type RenderedNote } from '../../domain/note-input'
import { noteText } from '../../domain/notes'
import { type Cli, withExample } from '../cli'

interface ListedNote extends RenderedNote {
  readonly id: string
  readonly tenant: string
  readonly channel: string
  readonly state: string
}

interface Options {
  readonly tenant?: string
  readonly format: NoteFormat
}

const pageSize = 100
/** Notes that one command reads; a release with more is read tenant by tenant. */
const maxNotes = 10_000

/** `sluice notes <release>`: what tenants were told. One tenant: its notes in full; else a list. */
export function notesCommand(program: Command, cli: Cli): void {
  const command = program
    .command('notes')
    .argument('<release>', 'id of the release')
    .description('show what tenants were told about a release')
    .option('--tenant <id>', 'only this tenant, in full')
    .addOption(new Option('--format <format>', 'how a note is shown').choices(noteFormats).default('md'))
    .action((release: string, options: Options) => showNotes(cli, release, options))
  withExample(command, 'notes 01JZ8Y3T9M4Q', 'notes 01JZ8Y3T9M4Q --tenant acme --format html')
}

async function showNotes(cli: Cli, release: string, { tenant, format }: Options): Promise<void> {
  const notes = await readNotes(cli, release, tenant)
  cli.print.data(notes)
  if (notes.length === 0)
    cli.print.line(`No notes of release ${release}${tenant === undefined ? '' : ` for ${tenant}`}.`)
  else if (tenant === undefined) cli.print.table(['TENANT', 'CHANNEL', 'STATE', 'SUBJECT'], notes.map(row))
  else for (const note of onePerText(notes, format)) cli.print.line(note.trimEnd())
}

async function readNotes(cli: Cli, release: string, tenant: string | undefined): Promise<readonly ListedNote[]> {
  const notes: ListedNote[] = []
  let after: string | undefined
  do {
    const path = `/v1/releases/${encodeURIComponent(release)}/notes`
    const page = await cli.api.get<{ items: ListedNote[]; next?: string }>(path, { tenant, after, limit: pageSize })
    notes.push(...page.items)
    after = page.next
  } while (after !== undefined && notes.length < maxNotes)
  return notes
}

const row = ({ tenant, channel, state, subject }: ListedNote): readonly string[] => [tenant, channel, state, subject]

/** The same note through two channels is shown once. */
const onePerText = (notes: readonly ListedNote[], format: NoteFormat): ReadonlySet<string> =>
  new Set(notes.map((note) => noteText(note, format)))
