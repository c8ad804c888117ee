import { isRecord } from '../../domain/diff'
import { TemplateFault } from '../../kinds/prompt-template'
import { malformed } from '../workspace-file'
import { addEngine } from './engine'
import { type Imported, type Importer, type ImportSettings, textIn } from './importer'
import type { ImportSource } from './source'
import { foreignMessages, plainTemplate, wordOf } from './template'

/**
 * Prompts of Langfuse, as `GET /api/public/v2/prompts/{name}?version={n}` answers each, one or many: an object, a list,
 * `{ data: […] }`, or one a line. https://api.reference.langfuse.com (Prompts), and
 * https://langfuse.com/docs/prompt-management/data-model for `name, type, prompt, config, version, labels, tags`.
 *
 * Version n becomes n.0.0: the number does not say which change broke something, and a major step never understates one.
 */
export const langfuse: Importer = {
  name: 'langfuse',
  reads: 'prompts as the API of Langfuse answers them (JSON or JSONL)',
  convert(source, into, settings) {
    for (const file of source.files.filter((name) => /\.jsonl?$/.test(name))) {
      for (const { at, value } of promptsIn(source, file)) addPrompt(into, settings, { at, value })
    }
  },
}

interface Placed {
  readonly at: string
  readonly value: unknown
}

function promptsIn(source: ImportSource, file: string): readonly Placed[] {
  if (file.endsWith('.jsonl')) return source.lines(file).map(({ line, value }) => ({ at: `${file}:${line}`, value }))
  const whole = source.value(file)
  const list = isRecord(whole) && Array.isArray(whole.data) ? whole.data : whole
  if (!Array.isArray(list)) return [{ at: file, value: list }]
  return list.map((value, place) => ({ at: `${file}[${place}]`, value }))
}

const knownKeys = ['name', 'version', 'type', 'prompt', 'config', 'labels', 'tags', 'commitMessage', 'createdBy']
const bookkeeping = ['id', 'createdAt', 'updatedAt', 'projectId', 'isActive', 'resolutionGraph', 'lastUpdatedAt']
const reference = /@@@langfusePrompt:[^@]*@@@/

function addPrompt(into: Imported, settings: ImportSettings, { at, value }: Placed): void {
  const name = textIn(value, 'name')
  if (!isRecord(value) || name === undefined) throw malformed(at, undefined, 'is no prompt of Langfuse: it has no name')
  if (value.prompt === undefined && Array.isArray(value.versions)) {
    const path = `/api/public/v2/prompts/${encodeURIComponent(name)}?version=<n>`
    throw malformed(at, undefined, `lists the versions of ${name} without their text: fetch each with GET ${path}`)
  }
  const version = value.version ?? 1
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    throw malformed(at, undefined, `the version of ${name} is no number of at least 1`)
  }
  const content = contentOf(value.prompt)
  if ('fault' in content) {
    into.lost(at, `the prompt ${name} version ${version}`, content.fault)
    return
  }
  noteRest(into, value, at)
  const message = textIn(value, 'commitMessage')?.trim()
  const author = textIn(value, 'createdBy')
  into.add({
    kind: 'prompt',
    name,
    semver: `${version}.0.0`,
    description: message === undefined || message === '' ? `Version ${version} of ${name} in Langfuse.` : message,
    ...(author === undefined || author === '' ? {} : { author }),
    provenance: { importedFrom: 'langfuse', version, ...labelsOf(value) },
    content,
    at,
  })
  addModel(into, settings, { at, value })
}

function contentOf(prompt: unknown) {
  if (typeof prompt === 'string') return textContent(prompt)
  if (!Array.isArray(prompt)) return { fault: 'it has neither text nor messages' }
  const placeholder = prompt.find((message) => isRecord(message) && message.type === 'placeholder')
  if (isRecord(placeholder)) {
    return {
      fault: `the placeholder ${wordOf(placeholder.name)} stands for messages, and a prompt has variables for text`,
    }
  }
  const referring = prompt.find((message) => reference.test(textIn(message, 'content') ?? ''))
  if (referring !== undefined) return { fault: referenceFault(textIn(referring, 'content') ?? '') }
  const messages = prompt.map((message) =>
    isRecord(message) ? { role: message.role, content: message.content } : message,
  )
  return foreignMessages(messages, plainTemplate)
}

function textContent(text: string) {
  if (reference.test(text)) return { fault: referenceFault(text) }
  try {
    return { text: plainTemplate(text) }
  } catch (error) {
    if (error instanceof TemplateFault) return { fault: error.message }
    throw error
  }
}

const referenceFault = (text: string): string =>
  `${reference.exec(text)?.[0] ?? ''} stands for another prompt: fetch it resolved, so that its text is here`

function labelsOf(value: Readonly<Record<string, unknown>>) {
  const lists = ['labels', 'tags'].filter((key) => Array.isArray(value[key]) && (value[key] as unknown[]).length > 0)
  return Object.fromEntries(lists.map((key) => [key, value[key]]))
}

/** Labels say what is served, and that is for releases to say here; they are kept in the provenance. */
function noteRest(into: Imported, value: Readonly<Record<string, unknown>>, at: string): void {
  const { labels } = value
  if (Array.isArray(labels) && labels.length > 0) {
    into.noted(at, `the labels ${labels.join(', ')}`, 'a release says what is served; provenance keeps them')
  }
  for (const key of Object.keys(value)) {
    if (!knownKeys.includes(key) && !bookkeeping.includes(key)) into.lost(at, `the key ${key}`, 'nothing here holds it')
  }
}

function addModel(into: Imported, settings: ImportSettings, { at, value }: Placed): void {
  const config = isRecord(value) && isRecord(value.config) ? value.config : {}
  const { model, provider, ...rest } = config
  if (typeof model === 'string' && model !== '') {
    const from = typeof provider === 'string' && provider !== '' ? provider : 'openai'
    addEngine(into, settings, {
      provider: from,
      model,
      config: rest,
      description: `${model} as configured in Langfuse.`,
      at,
    })
    return
  }
  for (const key of Object.keys(config)) into.lost(at, `the config ${key}`, 'it names no model, so no engine holds it')
}
