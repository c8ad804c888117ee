import { isRecord } from '../../domain/diff'
import { SluiceError } from '../../errors'
import { parseDotprompt } from '../dotprompt'
import { addEngine } from './engine'
import { type Imported, type Importer, type ImportSettings, textIn } from './importer'
import { PicoschemaFault, picoschema } from './picoschema'
import type { ImportSource } from './source'
import { wordOf } from './template'

/**
 * Dotprompt files: YAML front matter, then a template with `{{role "system"}}` markers.
 * https://google.github.io/dotprompt/reference/frontmatter/ and …/template/. The path is the name, `name.variant.prompt`
 * one variant of it. Model and config become an engine, `output.schema` a schema.
 */
export const dotprompt: Importer = {
  name: 'dotprompt',
  reads: 'dotprompt files (.prompt)',
  convert(source, into, settings) {
    for (const file of source.files.filter((name) => name.endsWith('.prompt'))) {
      const head = addPrompt(source, into, file)
      if (head === undefined) continue
      addModel(into, settings, { head, file })
      addOutput(into, head, file)
      noteRest(into, head, file)
    }
  },
}

type Head = Readonly<Record<string, unknown>>

const nameOf = (file: string): string => file.replace(/\.prompt$/, '').replaceAll('/', '-')

/** The front matter; undefined where the prompt is lost, and then nothing else of the file is made. */
function addPrompt(source: ImportSource, into: Imported, file: string): Head | undefined {
  try {
    const { head, content } = parseDotprompt(source.text(file), file)
    if (content.fewShot !== undefined)
      into.lost(file, 'fewShot', 'it refers to datasets of a registry that is not here')
    const { fewShot: _fewShot, ...body } = content
    const description = textIn(head, 'description')?.trim()
    into.add({
      kind: 'prompt',
      name: nameOf(file),
      description: description ? description : `Imported from ${file}.`,
      content: body,
      at: file,
    })
    return head
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'malformed_file') throw error
    into.lost(file, 'the prompt', error.message)
    return undefined
  }
}

function addModel(into: Imported, settings: ImportSettings, { head, file }: { head: Head; file: string }): void {
  const { model: named } = head
  const config = isRecord(head.config) ? head.config : {}
  if (typeof named !== 'string' || named === '') {
    for (const key of Object.keys(config))
      into.lost(file, `the config ${key}`, 'it names no model, so no engine holds it')
    return
  }
  const slash = named.indexOf('/')
  const provider = slash < 0 ? 'default' : named.slice(0, slash)
  const model = slash < 0 ? named : named.slice(slash + 1)
  addEngine(into, settings, { provider, model, config, description: `${model} as ${file} configures it.`, at: file })
}

function addOutput(into: Imported, { output }: Head, file: string): void {
  if (!isRecord(output)) return
  if (output.format !== undefined && output.format !== 'json' && output.format !== 'text') {
    into.lost(file, `the output format ${wordOf(output.format)}`, 'outputs are text, or JSON of a schema')
  }
  if (output.schema === undefined) return
  try {
    const content = picoschema(output.schema)
    into.add({ kind: 'schema', name: nameOf(file), description: `The output of ${file}.`, content, at: file })
  } catch (error) {
    if (!(error instanceof PicoschemaFault)) throw error
    into.lost(file, 'the output schema', error.message)
  }
}

const read = ['model', 'config', 'output', 'input', 'description', 'fewShot', 'name', 'variant', 'version']

function noteRest(into: Imported, head: Head, file: string): void {
  if (isRecord(head.input) && head.input.schema !== undefined) {
    into.noted(
      file,
      'the types of the input',
      'a prompt names its variables; their values are text, numbers or booleans',
    )
  }
  for (const key of Object.keys(head)) {
    if (key === 'metadata' || key.includes('.'))
      into.noted(file, `the key ${key}`, 'no implementation of dotprompt reads it')
    else if (!read.includes(key)) into.lost(file, `the key ${key}`, 'nothing here holds it')
  }
}
