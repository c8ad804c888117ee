import { isRecord, sameJson } from '../../domain/diff'
import type { CaseCheck } from '../../scorers/checks'
import { malformed } from '../workspace-file'
import type { Imported, Importer } from './importer'
import type { ImportSource } from './source'
import { foreignMessage, literalTemplate } from './template'

/**
 * Evals of github.com/openai/evals: samples with `input` (a chat or a text) and `ideal` (a text, or several of which one
 * is enough), one a line, https://github.com/openai/evals/blob/main/docs/build-eval.md; with the registry's YAML beside
 * them also how they are scored, https://github.com/openai/evals/blob/main/docs/eval-templates.md. Samples without YAML
 * are scored as `Match`, the first of the basic templates.
 *
 * What all samples have in common becomes the prompt; what differs becomes its variables and the input of the cases.
 */
export const openaiEvals: Importer = {
  name: 'openai-evals',
  reads: 'samples of OpenAI Evals (JSONL), with the YAML of the registry if it is there',
  convert(source, into) {
    const named = source.files.filter((name) => /\.ya?ml$/.test(name)).flatMap((file) => evalsIn(source, into, file))
    const used = named.map(({ file }) => file)
    for (const one of named) addEval(source, into, one)
    const rest = source.files.filter((name) => name.endsWith('.jsonl') && !used.includes(name))
    for (const file of rest) {
      const name = file.replace(/\.jsonl$/, '').replace(/\/samples$/, '')
      into.noted(file, 'how it is scored', 'no YAML says it, so outputs have to start with the ideal (Match)')
      addEval(source, into, { name, file, check: 'starts-with', description: '', at: file })
    }
  },
}

interface Eval {
  readonly name: string
  readonly file: string
  readonly check: CaseCheck['check']
  readonly description: string
  readonly at: string
}

/** The basic templates, by the end of their class. */
const templates: Readonly<Record<string, CaseCheck['check']>> = {
  'basic.match:Match': 'starts-with',
  'basic.includes:Includes': 'contains-any',
}

function evalsIn(source: ImportSource, into: Imported, file: string): readonly Eval[] {
  const all = source.value(file)
  if (!isRecord(all)) throw malformed(file, undefined, 'is no YAML of the registry')
  const found: Eval[] = []
  for (const [key, entry] of Object.entries(all)) {
    if (!isRecord(entry) || typeof entry.class !== 'string' || !isRecord(entry.args)) continue
    const { samples_jsonl: samples, ...args } = entry.args
    const at = `${file} ${key}`
    const check = Object.entries(templates).find(([ending]) => String(entry.class).endsWith(ending))?.[1]
    if (check === undefined) into.lost(at, `the eval ${key}`, `its class ${entry.class} is none of Match and Includes`)
    else if (typeof samples !== 'string') into.lost(at, `the eval ${key}`, 'it names no samples_jsonl')
    else {
      for (const arg of Object.keys(args)) into.lost(at, `the argument ${arg}`, 'a suite does not hold it')
      const name = key.split('.', 1)[0] ?? key
      const { description } = isRecord(all[name]) ? all[name] : entry
      found.push({ name, file: samplesFile(source, samples, at), check, description: String(description ?? ''), at })
    }
  }
  return found
}

/** The registry keeps samples in `data/`, beside the folder of its YAML. */
function samplesFile(source: ImportSource, samples: string, at: string): string {
  const places = [samples, `data/${samples}`, `registry/data/${samples}`, `evals/registry/data/${samples}`]
  const found = places.find((file) => source.files.includes(file)) ?? places.find((file) => source.has(file))
  if (found !== undefined) return found
  throw malformed(
    at,
    undefined,
    `its samples ${samples} are not there: import the folder that has both evals/ and data/`,
  )
}

interface Sample {
  readonly at: string
  readonly turns: readonly { readonly role: string; readonly text: string }[]
  readonly ideal: readonly string[]
}

const maxTurns = 64

function addEval(source: ImportSource, into: Imported, { name, file, check, description, at }: Eval): void {
  const samples = source.lines(file).flatMap(({ line, value }) => readSample(into, `${file}:${line}`, value) ?? [])
  const [first] = samples
  if (first === undefined) {
    into.lost(at, `the eval ${name}`, 'none of its samples can be taken')
    return
  }
  const shape = (sample: Sample) => sample.turns.map((turn) => turn.role)
  const alike = samples.filter((sample) => sameJson(shape(sample), shape(first)))
  for (const other of samples.filter((sample) => !alike.includes(sample))) {
    into.lost(
      other.at,
      'the sample',
      `its messages are ${shape(other).join(', ')}, not ${shape(first).join(', ')} as of the first`,
    )
  }
  const varying = first.turns.map((turn, place) => alike.some(({ turns }) => turns[place]?.text !== turn.text))
  // One sample alone has nothing in common with others: what the user says is the input.
  if (!varying.includes(true)) varying[first.turns.length - 1] = true
  const variables = variableNames(first, varying)
  const said = description === '' ? `The eval ${name} of OpenAI Evals.` : description
  addPrompt(into, { first, variables, name, said, at })
  const rows = alike.map((sample, place) => ({
    id: `${place + 1}`,
    group: `${place + 1}`,
    input: Object.fromEntries(
      variables.flatMap((variable, turn) =>
        variable === undefined ? [] : [[variable, sample.turns[turn]?.text ?? '']],
      ),
    ),
    expected: { checks: [{ check, value: sample.ideal }] },
  }))
  const dataset = into.addRows({ name, description: said, at }, rows)
  into.noted(
    at,
    'the least accuracy',
    'evals have none, so minAccuracy is 0 and everything passes: set it in the suite',
  )
  into.add({
    kind: 'suite',
    name,
    description: said,
    at,
    content: {
      dataset,
      scorers: [{ name: 'checks', scorer: 'checks', gate: true }],
      primary: 'checks',
      thresholds: { minAccuracy: 0 },
    },
  })
}

function readSample(into: Imported, at: string, value: unknown): Sample | undefined {
  if (!isRecord(value) || value.input === undefined) throw malformed(at, undefined, 'is no sample: it has no input')
  const { input, ideal, ...rest } = value
  const lost = (why: string) => {
    into.lost(at, 'the sample', why)
    return undefined
  }
  for (const key of Object.keys(rest)) into.lost(at, `the key ${key}`, 'Match and Includes do not read it')
  const ideals = Array.isArray(ideal) ? ideal : [ideal]
  if (ideals.length === 0 || !ideals.every((one) => typeof one === 'string')) return lost('its ideal is no text')
  const messages: readonly unknown[] = Array.isArray(input) ? input : [{ role: 'user', content: input }]
  if (messages.length === 0 || messages.length > maxTurns) return lost(`it has not 1 to ${maxTurns} messages`)
  const turns: Sample['turns'][number][] = []
  for (const message of messages) {
    const read = foreignMessage(message, (text) => text)
    if ('fault' in read) return lost(read.fault)
    turns.push({ role: read.message.role, text: read.message.content })
  }
  return { at, turns, ideal: ideals }
}

/** A varying turn is named by its role, and by its place where the role varies twice; others are part of the prompt. */
function variableNames({ turns }: Sample, varying: readonly boolean[]): readonly (string | undefined)[] {
  const roles = turns.flatMap(({ role }, place) => (varying[place] ? [role] : []))
  return turns.map(({ role }, place) => {
    if (!varying[place]) return undefined
    const plain = role === 'user' ? 'input' : role
    return roles.filter((other) => other === role).length === 1 ? plain : `${plain}_${place + 1}`
  })
}

interface EvalPrompt {
  readonly first: Sample
  readonly variables: readonly (string | undefined)[]
  readonly name: string
  readonly said: string
  readonly at: string
}

function addPrompt(into: Imported, { first, variables, name, said, at }: EvalPrompt): void {
  const messages = first.turns.map(({ role, text }, place) => ({
    role,
    content: variables[place] === undefined ? literalTemplate(text) : `{{${variables[place]}}}`,
  }))
  into.add({ kind: 'prompt', name, description: said, content: { messages }, at })
}
