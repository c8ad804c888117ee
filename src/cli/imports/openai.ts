import { isRecord } from '../../domain/diff'
import { TemplateFault } from '../../kinds/prompt-template'
import { malformed } from '../workspace-file'
import { addEngine } from './engine'
import { type Imported, type Importer, type ImportSettings, textIn } from './importer'
import type { ImportSource } from './source'
import { foreignMessages, plainTemplate, wordOf } from './template'

/**
 * Stored prompts of OpenAI: the body of `POST /v1/responses` that the dashboard shows for one, with its `id` and
 * `version` (or `prompt: { id, version, variables }`); one object, a list, `{ data: […] }`, or one a line.
 * https://platform.openai.com/docs/api-reference/responses/create and
 * https://developers.openai.com/api/docs/guides/prompting: `model`, `input` or `instructions`, `tools`,
 * `text.format`, and `{{variable}}` in any message.
 */
export const openai: Importer = {
  name: 'openai',
  reads: 'stored prompts of OpenAI as bodies of the Responses API (JSON or JSONL)',
  convert(source, into, settings) {
    for (const file of source.files.filter((name) => /\.jsonl?$/.test(name))) {
      for (const prompt of promptsIn(source, file)) addPrompt(into, settings, prompt)
    }
  },
}

interface Placed {
  readonly at: string
  readonly value: unknown
}

type Body = Readonly<Record<string, unknown>>

function promptsIn(source: ImportSource, file: string): readonly Placed[] {
  if (file.endsWith('.jsonl')) return source.lines(file).map(({ line, value }) => ({ at: `${file}:${line}`, value }))
  const whole = source.value(file)
  const list = isRecord(whole) && Array.isArray(whole.data) ? whole.data : whole
  if (!Array.isArray(list)) return [{ at: file, value: list }]
  return list.map((value, place) => ({ at: `${file}[${place}]`, value }))
}

const promptKeys = ['id', 'version', 'name', 'object', 'prompt', 'variables', 'instructions', 'input', 'messages']
const modelKeys = ['model', 'temperature', 'top_p', 'max_output_tokens', 'max_completion_tokens', 'max_tokens', 'seed']
const otherKeys = [
  'tools',
  'text',
  'response_format',
  'created_at',
  'updated_at',
  'is_default',
  'description',
  'created_by',
]
/** How a call is made or kept; the default of each, and what follows from its being absent, change no answer. */
const harmless = ['store', 'stream', 'include', 'metadata', 'background', 'service_tier', 'user', 'safety_identifier']

function addPrompt(into: Imported, settings: ImportSettings, { at, value: body }: Placed): void {
  if (!isRecord(body)) throw malformed(at, undefined, 'is no object')
  const stored = isRecord(body.prompt) ? body.prompt : body
  const id = textIn(stored, 'id') ?? textIn(body, 'id')
  const name = textIn(body, 'name') ?? id
  if (name === undefined) throw malformed(at, undefined, 'is no stored prompt: it has neither id nor name')
  const version = Number(stored.version ?? 1)
  if (!Number.isInteger(version) || version < 1) throw malformed(at, undefined, `the version of ${name} is no number`)
  addText(into, { body, name, version, at, provenance: { importedFrom: 'openai', version, ...(id ? { id } : {}) } })
  addVariables(into, stored.variables, at)
  addTools(into, body.tools, at)
  const format = isRecord(body.text) ? body.text.format : body.response_format
  if (isRecord(format)) addFormat(into, { format, name, at })
  addModel(into, settings, { at, body })
  for (const key of Object.keys(body)) {
    if (harmless.includes(key)) into.noted(at, `the key ${key}`, 'it says how calls are made, not what is asked')
    else if (![...promptKeys, ...modelKeys, ...otherKeys].includes(key) && !isEmpty(body[key])) {
      into.lost(at, `the key ${key}`, 'nothing here holds it')
    }
  }
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)

interface Text {
  readonly body: Body
  readonly name: string
  readonly version: number
  readonly at: string
  readonly provenance: Body
}

function addText(into: Imported, { body, name, version, at, provenance }: Text): void {
  const content = contentOf(body)
  const what = `the prompt ${name} version ${version}`
  if ('fault' in content) {
    into.lost(at, what, content.fault)
    return
  }
  const description = textIn(body, 'description')?.trim()
  into.add({
    kind: 'prompt',
    name,
    semver: `${version}.0.0`,
    description: description ? description : `Version ${version} of ${name} in OpenAI.`,
    provenance,
    content,
    at,
  })
}

/** Instructions are a system message before the input; a text as the only input is one user message. */
function contentOf({ instructions, input: given, messages }: Body) {
  const input = given ?? messages
  const before = typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : (instructions ?? [])
  if (!Array.isArray(before)) return { fault: 'its instructions are neither text nor messages' }
  if (typeof input === 'string' && before.length === 0) return textContent(input)
  const after = typeof input === 'string' ? [{ role: 'user', content: input }] : (input ?? [])
  if (!Array.isArray(after)) return { fault: 'its input is neither text nor messages' }
  const all: unknown[] = [...before, ...after]
  return all.length === 0 ? { fault: 'it has neither instructions nor input' } : foreignMessages(all, plainTemplate)
}

function textContent(text: string) {
  try {
    return { text: plainTemplate(text) }
  } catch (error) {
    if (error instanceof TemplateFault) return { fault: error.message }
    throw error
  }
}

function addVariables(into: Imported, variables: unknown, at: string): void {
  if (!isRecord(variables)) return
  for (const name of Object.keys(variables)) {
    into.noted(at, `the value of the variable ${name}`, 'applications give the values; a prompt holds none')
  }
}

function addTools(into: Imported, tools: unknown, at: string): void {
  if (!Array.isArray(tools)) return
  for (const tool of tools as readonly unknown[]) {
    const type = textIn(tool, 'type') ?? 'of no type'
    const held = isRecord(tool) && isRecord(tool.function) ? tool.function : tool
    const name = textIn(held, 'name')
    if (type !== 'function' || name === undefined || !isRecord(held)) {
      into.lost(at, `the tool ${name ?? type}`, 'only functions are tools here')
      continue
    }
    const description = textIn(held, 'description')?.trim() || name
    const parameters = isRecord(held.parameters) ? held.parameters : { type: 'object', properties: {} }
    if (held.strict === true) into.lost(at, `strict of the tool ${name}`, 'a tool does not hold it')
    into.add({ kind: 'tool', name, description, content: { name, description, parameters }, at })
  }
}

interface Format {
  readonly format: Body
  readonly name: string
  readonly at: string
}

function addFormat(into: Imported, { format, name: prompt, at }: Format): void {
  const held = isRecord(format.json_schema) ? format.json_schema : format
  if (format.type === 'text') return
  if (format.type !== 'json_schema' || !isRecord(held.schema)) {
    into.lost(at, `the format ${wordOf(format.type)}`, 'only a JSON Schema is the form of an output here')
    return
  }
  const name = textIn(held, 'name') ?? `${prompt}-output`
  const description = textIn(held, 'description')?.trim() || `The output of ${prompt}.`
  if (held.strict === true)
    into.noted(at, `strict of the format ${name}`, 'outputs are checked against it here in any case')
  into.add({ kind: 'schema', name, description, content: held.schema, at })
}

function addModel(into: Imported, settings: ImportSettings, { at, body }: { at: string; body: Body }): void {
  const { model } = body
  const config = Object.fromEntries(modelKeys.slice(1).map((key) => [key, body[key]]))
  if (typeof model === 'string' && model !== '') {
    addEngine(into, settings, { provider: 'openai', model, config, description: `${model} as stored in OpenAI.`, at })
  }
}
