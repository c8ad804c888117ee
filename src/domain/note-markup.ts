import { assertNever } from '../errors'

/** A note as structure: what it says, before any notation. Every string in it is hostile until it is escaped here. */
export type Block =
  | { readonly block: 'heading'; readonly text: string }
  | { readonly block: 'paragraph'; readonly spans: readonly Span[] }
  | { readonly block: 'list'; readonly items: readonly ListItem[] }
  | { readonly block: 'table'; readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }

/** A run of text; a `code` span is a name as programs know it. */
export type Span = string | { readonly code: string }

export interface ListItem {
  readonly spans: readonly Span[]
  /** Lines shown as they are, such as a diff. */
  readonly lines?: readonly string[]
}

/** Longest text of a span in characters; what is longer is cut and says so. */
export const maxTextCharacters = 2_000
/** Most lines of one diff. */
export const maxDiffLines = 80

/** Control characters and marks that turn the direction of reading or hide text. */
const controls = /[\p{Cc}\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/gu
const controlsButTab = /(?:(?!\t)[\p{Cc}\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff])+/gu

/** One line without control characters and without marks that turn the direction of reading. */
export function plainText(text: string): string {
  return cut(text.replace(controls, ' ').trim())
}

const plainLine = (line: string): string => cut(line.replace(controlsButTab, ' '))

const cut = (text: string): string =>
  text.length <= maxTextCharacters ? text : `${text.slice(0, maxTextCharacters).replace(/[\ud800-\udbff]$/, '')}…`

function plainLines(lines: readonly string[]): readonly string[] {
  const shown = lines.slice(0, maxDiffLines).map(plainLine)
  return lines.length <= maxDiffLines ? shown : [...shown, `… ${lines.length - maxDiffLines} more lines`]
}

/** CommonMark with GitHub's tables. Text can neither format, link nor bring HTML of its own. */
export function toMarkdown(blocks: readonly Block[]): string {
  return `${blocks.map(markdownBlock).join('\n\n')}\n`
}

function markdownBlock(block: Block, place: number): string {
  switch (block.block) {
    case 'heading':
      return `${place === 0 ? '#' : '##'} ${markdownText(block.text)}`
    case 'paragraph':
      return markdownSpans(block.spans)
    case 'list':
      return block.items.map(markdownItem).join('\n')
    case 'table':
      return [block.head, block.head.map(() => '---'), ...block.rows.map((row) => row.map(markdownCell))]
        .map((row) => `| ${row.join(' | ')} |`)
        .join('\n')
    default:
      return assertNever(block)
  }
}

function markdownItem(item: ListItem): string {
  const first = `- ${markdownSpans(item.spans)}`
  if (!item.lines) return first
  const lines = plainLines(item.lines)
  const fence = fenceFor(lines.join('\n'), 3)
  return [first, '', `${fence}diff`, ...lines, fence]
    .map((line, at) => (at === 0 ? line : `  ${line}`.trimEnd()))
    .join('\n')
}

const markdownSpans = (spans: readonly Span[]): string =>
  atLineStart(spans.map((span) => (typeof span === 'string' ? inlineMarkdown(span) : markdownCode(span.code))).join(''))

const markdownCell = (text: string): string => inlineMarkdown(plainText(text))

const markdownText = (text: string): string => atLineStart(inlineMarkdown(plainText(text)))

/** Escapes what begins formatting, a link, an HTML tag, an entity or a table cell anywhere in a line. */
function inlineMarkdown(text: string): string {
  return text
    .replace(controls, ' ')
    .replace(/[\\`*_[\]<>|~&]/g, '\\$&')
    .replace(/:(?=\/\/)/g, '\\:')
    .replace(/www\./gi, (found) => `${found.slice(0, -1)}\\.`)
    .replace(/(?<=\S)@(?=\S)/g, '\\@')
}

/** Escapes what begins a heading, a list or a rule at the start of a line. */
const atLineStart = (text: string): string =>
  text.replace(/^(\s*)([#+-])(?=\s|\2|$)/, '$1\\$2').replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2')

function markdownCode(text: string): string {
  const plain = plainText(text).replaceAll('|', '¦')
  const fence = fenceFor(plain, 1)
  const space = plain.startsWith('`') || plain.endsWith('`') || plain === '' ? ' ' : ''
  return `${fence}${space}${plain}${space}${fence}`
}

/** A row of backticks longer than any in the text, so that the text cannot end it. */
function fenceFor(text: string, least: number): string {
  const longest = Math.max(least - 1, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  return '`'.repeat(longest + 1)
}

/** A whole document without scripts, styles or anything that loads from elsewhere. */
export function toHtml(title: string, blocks: readonly Block[]): string {
  const head = `<head><meta charset="utf-8"><title>${htmlText(title)}</title></head>`
  return `<!doctype html>\n<html lang="en">${head}<body>\n${blocks.map(htmlBlock).join('\n')}\n</body></html>\n`
}

function htmlBlock(block: Block, place: number): string {
  switch (block.block) {
    case 'heading':
      return place === 0 ? `<h1>${htmlText(block.text)}</h1>` : `<h2>${htmlText(block.text)}</h2>`
    case 'paragraph':
      return `<p>${htmlSpans(block.spans)}</p>`
    case 'list':
      return `<ul>${block.items.map(htmlItem).join('')}</ul>`
    case 'table':
      return `<table><thead>${htmlRow(block.head, 'th')}</thead><tbody>${block.rows.map((row) => htmlRow(row, 'td')).join('')}</tbody></table>`
    default:
      return assertNever(block)
  }
}

function htmlItem(item: ListItem): string {
  const lines = item.lines ? `<pre>${plainLines(item.lines).map(escapeHtml).join('\n')}</pre>` : ''
  return `<li>${htmlSpans(item.spans)}${lines}</li>`
}

const htmlRow = (cells: readonly string[], tag: 'th' | 'td'): string =>
  `<tr>${cells.map((cell) => `<${tag}>${htmlText(cell)}</${tag}>`).join('')}</tr>`

const htmlSpans = (spans: readonly Span[]): string =>
  spans
    .map((span) =>
      typeof span === 'string' ? escapeHtml(span.replace(controls, ' ')) : `<code>${htmlText(span.code)}</code>`,
    )
    .join('')

const htmlText = (text: string): string => escapeHtml(plainText(text))

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (found) => entities[found] ?? '')
