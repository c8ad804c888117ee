import type { PromptBody, PromptMessage } from '../domain/contents'
import { SluiceError } from '../errors'
import { parseTemplate, type TemplatePart } from './prompt-template'

/** What a variable may be given: text as it is, numbers and booleans as JSON writes them. */
export type PromptValue = string | number | boolean

interface ParsedMessage {
  readonly role: PromptMessage['role']
  readonly parts: readonly TemplatePart[]
}

/** Contents are immutable, so each is parsed once for as long as somebody holds it. */
const parsedContents = new WeakMap<PromptBody, readonly ParsedMessage[]>()

function parsed(content: PromptBody): readonly ParsedMessage[] {
  const known = parsedContents.get(content)
  if (known !== undefined) return known
  const messages: readonly PromptMessage[] =
    'text' in content ? [{ role: 'user', content: content.text }] : content.messages
  const fresh = messages.map((message) => ({ role: message.role, parts: parseTemplate(message.content) }))
  parsedContents.set(content, fresh)
  return fresh
}

/** The names of all variables, sorted, each once. */
export function promptVariables(content: PromptBody): readonly string[] {
  const names = parsed(content).flatMap((message) =>
    message.parts.flatMap((part) => ('variable' in part ? [part.variable] : [])),
  )
  return [...new Set(names)].sort()
}

/**
 * The messages to send. Strict: throws `prompt_variables` for a value that is missing, unknown to the prompt, or
 * neither text, finite number nor boolean. Values are inserted as they are; braces within them mean nothing.
 */
export function renderPrompt(
  content: PromptBody,
  values: Readonly<Record<string, PromptValue>>,
): readonly PromptMessage[] {
  requireValues(promptVariables(content), values)
  return fill(content, values)
}

/** The same for prompts that share their values: each takes those that it names, and all of them together name all. */
export function renderPrompts(
  contents: readonly PromptBody[],
  values: Readonly<Record<string, PromptValue>>,
): readonly (readonly PromptMessage[])[] {
  requireValues([...new Set(contents.flatMap(promptVariables))].sort(), values)
  return contents.map((content) => fill(content, values))
}

function requireValues(wanted: readonly string[], values: Readonly<Record<string, PromptValue>>): void {
  const missing = wanted.filter((name) => !Object.hasOwn(values, name) || values[name] === undefined)
  const unknown = Object.keys(values).filter((name) => !wanted.includes(name))
  const unfit = wanted.filter((name) => !missing.includes(name) && !isPromptValue(values[name]))
  if (missing.length + unknown.length + unfit.length > 0) throw variablesError({ missing, unknown, unfit })
}

const fill = (content: PromptBody, values: Readonly<Record<string, PromptValue>>): readonly PromptMessage[] =>
  parsed(content).map(({ role, parts }) => ({
    role,
    content: parts.map((part) => ('variable' in part ? String(values[part.variable]) : part.literal)).join(''),
  }))

function isPromptValue(value: unknown): value is PromptValue {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  )
}

function variablesError(problems: Readonly<Record<'missing' | 'unknown' | 'unfit', readonly string[]>>): SluiceError {
  const texts = Object.entries(problems).flatMap(([what, names]) =>
    names.length === 0 ? [] : [`${what}: ${names.join(', ')}`],
  )
  return new SluiceError('prompt_variables', `The prompt cannot be rendered (${texts.join('; ')}).`, { ...problems })
}
