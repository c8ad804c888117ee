import { type PromptBody, type PromptMessage, promptRoles } from '../domain/contents'
import { isRecord } from '../domain/diff'
import { SluiceError } from '../errors'
import { promptVariables } from '../kinds/prompt-render'
import { TemplateFault } from '../kinds/prompt-template'
import { readYaml } from './workspace-file'
import { yamlFault } from './yaml-bounds'

/** A `.prompt` file: YAML front matter, then a template with `{{role "system"}}` markers between its messages. */
export interface Dotprompt {
  /** The whole front matter. */
  readonly head: Readonly<Record<string, unknown>>
  /** The front matter without the keys that are read here. */
  readonly envelope: Readonly<Record<string, unknown>>
  /** A draft: its `fewShot` is what the front matter says. */
  readonly content: PromptBody & { readonly fewShot?: unknown }
  /** What the file says that a prompt does not hold. */
  readonly notices: readonly string[]
}

const frontMatter = /^(?:[ \t]*(?:#[^\n]*)?\n)*---[ \t]*\n([\s\S]*?)(?:\n|^)---[ \t]*(?:\n|$)/
/** An escaped one is text. */
const roleMarker = /(?<!\\)\{\{\s*role\s+["'](\w+)["']\s*\}\}/g

/** Other artifacts hold these: the model and its parameters an engine, the form of the output a schema. */
const heldElsewhere: Readonly<Record<string, string>> = { model: 'an engine', config: 'an engine', output: 'a schema' }
/** Helpers of dotprompt that would pass for variables. */
const helpers = ['history', 'else', 'this']
const ignored = ['fewShot', 'name', 'variant', 'version', 'input', ...Object.keys(heldElsewhere)]

/**
 * Reads a dotprompt file. Throws `malformed_file` with the line for front matter that is no YAML, logic or partials in
 * the template, and `input` that does not name the variables of the template.
 */
export function parseDotprompt(text: string, file: string): Dotprompt {
  const source = text.replaceAll('\r\n', '\n')
  const match = frontMatter.exec(source)
  const head = match === null ? {} : parseFrontMatter(match[1] ?? '', file)
  const body = match === null ? source : source.slice(match[0].length)
  const place = { file, firstLine: lineAt(source, source.length - body.length) }
  const content = contentOf(body, place)
  requireNoHelpers(content, body, place)
  requireInputs(head.input, content, file)
  const envelope = Object.fromEntries(Object.entries(head).filter(([key]) => !ignored.includes(key)))
  const notices = Object.entries(heldElsewhere)
    .filter(([key]) => head[key] !== undefined)
    .map(([key, holder]) => `${file}: \`${key}\` is not part of a prompt; ${holder} holds it`)
  const { fewShot } = head
  return { head, envelope, content: { ...content, ...(fewShot === undefined ? {} : { fewShot }) }, notices }
}

function parseFrontMatter(yaml: string, file: string): Readonly<Record<string, unknown>> {
  const fault = yamlFault(yaml)
  if (fault !== undefined) throw malformed(file, 1, `the front matter ${fault}`)
  const head = readYaml(yaml, file, 1) ?? {}
  if (!isRecord(head)) throw malformed(file, 1, 'the front matter is no list of keys')
  return head
}

interface BodyPlace {
  readonly file: string
  readonly firstLine: number
}

function contentOf(body: string, place: BodyPlace): PromptBody {
  const messages: PromptMessage[] = []
  const markers = [...body.matchAll(roleMarker)]
  const opening = body.slice(0, markers[0]?.index ?? body.length)
  if (markers.length === 0) return checked({ text: opening.trim() }, body, place)
  if (opening.trim() !== '') messages.push({ role: 'user', content: opening.trim() })
  for (const [number, marker] of markers.entries()) {
    const start = marker.index + marker[0].length
    const role = promptRoles.find((known) => known === (marker[1] === 'model' ? 'assistant' : marker[1]))
    if (role === undefined) throw malformed(place.file, lineOf(body, marker.index, place), `${marker[0]} is no role`)
    messages.push({ role, content: body.slice(start, markers[number + 1]?.index ?? body.length).trim() })
  }
  return checked({ messages }, body, place)
}

function checked(content: PromptBody, body: string, place: BodyPlace): PromptBody {
  try {
    promptVariables(content)
    return content
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error
    const quoted = /\{\{[^}]*\}\}/.exec(error.message)?.[0]
    const offset = quoted === undefined ? 0 : Math.max(0, body.indexOf(quoted))
    throw malformed(place.file, lineOf(body, offset, place), error.message)
  }
}

function requireNoHelpers(content: PromptBody, body: string, place: BodyPlace): void {
  const used = promptVariables(content).find((name) => helpers.includes(name))
  if (used === undefined) return
  const offset = Math.max(0, body.search(new RegExp(`\\{\\{\\s*${used}\\s*\\}\\}`)))
  throw malformed(place.file, lineOf(body, offset, place), `{{${used}}} is a helper, and helpers are not taken`)
}

/** Picoschema (`name?, text: string, what it is`) or JSON Schema: either names the variables. */
function requireInputs(input: unknown, content: PromptBody, file: string): void {
  if (!isRecord(input)) return
  if (input.default !== undefined) throw malformed(file, 1, 'defaults of variables are not taken: give every value')
  const { schema } = input
  if (!isRecord(schema)) return
  const properties = isRecord(schema.properties) ? schema.properties : schema
  const named = Object.keys(properties).map((key) => key.replace(/[?(,].*$/, '').trim())
  const used = promptVariables(content)
  const stray = [...named.filter((name) => !used.includes(name)), ...used.filter((name) => !named.includes(name))]
  if (stray.length > 0)
    throw malformed(file, 1, `input and template do not name the same variables: ${stray.join(', ')}`)
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length
const lineOf = (body: string, offset: number, place: BodyPlace): number => place.firstLine + lineAt(body, offset) - 1

const malformed = (file: string, line: number, why: string): SluiceError =>
  new SluiceError('malformed_file', `${file}:${line}: ${why}.`, { file, line })
