import { isRecord } from '../../domain/diff'
import { promptVariables } from '../../kinds/prompt-render'
import { parseTemplate, TemplateFault } from '../../kinds/prompt-template'
import { type Imported, textIn } from './importer'
import { type ImportSource, yamlValue } from './source'
import { foreignMessages } from './template'

interface Place {
  readonly source: ImportSource
  readonly into: Imported
  readonly file: string
}

/** A prompt as promptfoo would send it: a text, or JSON or YAML of a chat. */
interface RawPrompt {
  readonly name: string
  readonly text: string
  readonly at: string
}

const textFile = /\.(txt|md|json|ya?ml)$/
const codeFile = /\.(js|cjs|mjs|ts|py|csv|j2|sh|exe)(:\w+)?$/

/** Adds every prompt of https://promptfoo.dev/docs/configuration/prompts/; answers the variables of all. */
export function addPrompts(place: Place, prompts: unknown): readonly string[] {
  const list = Array.isArray(prompts) ? (prompts as readonly unknown[]) : prompts === undefined ? [] : [prompts]
  const raw = list.flatMap((prompt, number) => rawPrompts(place, prompt, number + 1))
  return [...new Set(raw.flatMap((prompt) => addPrompt(place.into, prompt)))]
}

function rawPrompts(place: Place, prompt: unknown, number: number): readonly RawPrompt[] {
  const { source, into, file } = place
  const raw = typeof prompt === 'string' ? prompt : (textIn(prompt, 'raw') ?? textIn(prompt, 'id'))
  const label = textIn(prompt, 'label')
  if (raw === undefined) {
    into.lost(file, `the prompt ${number}`, 'it has neither text nor a file')
    return []
  }
  if (isRecord(prompt)) {
    for (const key of Object.keys(prompt)) {
      if (!['raw', 'id', 'label'].includes(key))
        into.lost(file, `${key} of the prompt ${label ?? number}`, 'a prompt does not hold it')
    }
  }
  const isNamed = raw.startsWith('file://')
  const path = isNamed ? raw.slice('file://'.length) : raw
  if (!isNamed && (raw.includes('\n') || !source.has(path))) {
    if (/\{\{|\s/.test(raw)) return [{ name: label ?? `prompt-${number}`, text: raw, at: file }]
  }
  if (/[*?[\]]/.test(path) || codeFile.test(path) || !textFile.test(path)) {
    into.lost(
      file,
      `the prompt ${raw}`,
      'only .txt, .md, .json and .yaml files are prompts that can be read without running them',
    )
    return []
  }
  const name = label ?? path.replace(/\.[a-z]+$/, '').replace(/^.*\//, '')
  const parts = path.endsWith('.txt') ? source.text(path).split(/^---$/m) : [source.text(path)]
  return parts
    .filter((part) => part.trim() !== '')
    .map((part, place) => ({ name: parts.length === 1 ? name : `${name}-${place + 1}`, text: part.trim(), at: path }))
}

/** Answers the variables that were made. */
function addPrompt(into: Imported, { name, text, at }: RawPrompt): readonly string[] {
  const content = contentOf(text, at)
  if ('fault' in content) {
    into.lost(at, `the prompt ${name}`, content.fault)
    return []
  }
  const made = into.add({ kind: 'prompt', name, description: `Imported from ${at}.`, content, at })
  return made === undefined ? [] : promptVariables(content)
}

function contentOf(text: string, at: string) {
  try {
    const chat = /^\s*(\[|- )/.test(text) && /role/.test(text) ? chatOf(text, at) : undefined
    return chat === undefined ? { text: nunjucks(text) } : foreignMessages(chat, nunjucks)
  } catch (error) {
    if (error instanceof TemplateFault) return { fault: error.message }
    throw error
  }
}

function chatOf(text: string, at: string): readonly unknown[] | undefined {
  const value = yamlValue(text, at)
  return Array.isArray(value) && value.every((one) => isRecord(one) && one.role !== undefined) ? value : undefined
}

/** Nunjucks of which only plain variables are used. Throws `TemplateFault` naming what else is. */
function nunjucks(text: string): string {
  const logic = /\{%[^%]*%\}|\{#[^#]*#\}|\{[%#]/.exec(text)
  if (logic !== null)
    throw new TemplateFault(`${logic[0]} is logic of Nunjucks, and a template has variables only`, logic.index)
  if (text.includes('\\{{')) throw new TemplateFault('a backslash before {{ escapes it here, and not in Nunjucks', 0)
  parseTemplate(text)
  return text
}
