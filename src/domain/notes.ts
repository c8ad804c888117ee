import { assertNever } from '../errors'
import type { NoteChange, NoteDocument, NoteFormat, NoteInput, RenderedNote } from './note-input'
import { type Block, type ListItem, plainText, type Span, toHtml, toMarkdown } from './note-markup'
import { shiftBlocks } from './note-shifts'
import { actionsOf, otherWay, receives, sentence, standing, subjectOf } from './note-wording'
import type { Change } from './version'

/** Most differences that a note shows of one role; the rest are counted. */
export const maxChangesShown = 20
/** Longest text of a difference in the document for programs. */
const maxDifferenceCharacters = 20_000

/** The note to one tenant in every format. Pure: the same input gives the same bytes. */
export function renderNote(input: NoteInput): RenderedNote {
  const subject = subjectOf(input)
  const blocks = input.kind === 'release' ? releaseBlocks(input, subject) : retractionBlocks(input, subject)
  return { subject, markdown: toMarkdown(blocks), html: toHtml(subject, blocks), data: documentOf(input, subject) }
}

/** One format of a rendered note as text. */
export function noteText(note: RenderedNote, format: NoteFormat): string {
  switch (format) {
    case 'md':
      return note.markdown
    case 'html':
      return note.html
    case 'json':
      return `${JSON.stringify(note.data, undefined, 2)}\n`
    default:
      return assertNever(format)
  }
}

function releaseBlocks(input: NoteInput, subject: string): readonly Block[] {
  const { release, audience } = input
  return [
    heading(subject),
    paragraph(...standing(input)),
    heading('Why'),
    paragraph(plainText(release.why)),
    heading('What changed'),
    ...changeBlocks(input.change),
    heading('Expected effect'),
    ...(release.expect === undefined ? [] : [paragraph(plainText(release.expect))]),
    ...shiftBlocks(input),
    heading('What to do'),
    actionList(input),
    heading(
      receives(audience) ? 'If you would rather keep the earlier version' : 'If you would rather have the change',
    ),
    paragraph(...otherWay(input)),
    reference(release.id),
  ]
}

function retractionBlocks(input: NoteInput, subject: string): readonly Block[] {
  const { release, rollbackReason } = input
  return [
    heading(subject),
    paragraph(...standing(input)),
    heading('Why'),
    paragraph(rollbackReason === undefined ? 'No reason was recorded.' : plainText(rollbackReason)),
    heading('What was taken back'),
    ...changeBlocks(input.change),
    heading('What to do'),
    actionList(input),
    reference(release.id),
  ]
}

function changeBlocks(changes: readonly NoteChange[]): readonly Block[] {
  return changes.length === 0 ? [paragraph('No role moved.')] : changes.flatMap(roleBlocks)
}

function roleBlocks({ role, from, to, changes }: NoteChange): readonly Block[] {
  const moved = from === undefined ? sentence`${role} is new: ${to}` : sentence`${role} moved from ${from} to ${to}`
  const more = changes.length - maxChangesShown
  const items = [
    ...changes.slice(0, maxChangesShown).map(differenceItem),
    ...(more > 0 ? [{ spans: [`and ${more} more differences`] }] : []),
  ]
  return items.length === 0 ? [paragraph(...moved)] : [paragraph(...moved), { block: 'list', items }]
}

/** The first line of a difference is its sentence; the lines below it are a diff. */
function differenceItem({ text }: Change): ListItem {
  const [first = '', ...lines] = text.split('\n')
  return { spans: [plainText(first)], ...(lines.length > 0 ? { lines } : {}) }
}

function actionList(input: NoteInput): Block {
  const actions = actionsOf(input)
  if (actions.length === 0) return paragraph('Nothing.')
  return { block: 'list', items: actions.map((action) => ({ spans: [action] })) }
}

function documentOf(input: NoteInput, subject: string): NoteDocument {
  return {
    specVersion: 1,
    subject,
    ...input,
    change: input.change.map((one) => ({
      ...one,
      changes: one.changes.slice(0, maxChangesShown).map(({ path, change, text }) => ({
        path,
        change,
        text: text.slice(0, maxDifferenceCharacters),
      })),
    })),
    actions: actionsOf(input),
  }
}

const heading = (text: string): Block => ({ block: 'heading', text })
const paragraph = (...spans: readonly Span[]): Block => ({ block: 'paragraph', spans })
const reference = (id: string): Block => paragraph(...sentence`Release ${id}.`)
