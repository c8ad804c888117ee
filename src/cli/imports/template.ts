import type { PromptMessage } from '../../domain/contents'
import { isRecord, shortJson } from '../../domain/diff'
import { TemplateFault } from '../../kinds/prompt-template'

/** Text in which nothing is a variable. */
export const literalTemplate = (text: string): string => text.replaceAll('{{', '\\{{')

const anyBraces = /\{\{([^{}]*)\}\}|\{\{/g
const variable = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

/**
 * A template of a format that knows `{{name}}` and nothing else: all other braces are text there, so they are escaped
 * here. Throws `TemplateFault` for the few that cannot be written.
 */
export function plainTemplate(text: string): string {
  let template = ''
  let place = 0
  for (const match of text.matchAll(anyBraces)) {
    const name = match[1]?.trim() ?? ''
    template += text.slice(place, match.index)
    place = match.index + match[0].length
    if (!variable.test(name)) {
      template += `\\${match[0]}`
      continue
    }
    if (/[\\{]$/.test(text.slice(0, match.index)) || text[place] === '}') {
      throw new TemplateFault(
        `${match[0]} stands right behind a backslash or a brace, which would escape it`,
        match.index,
      )
    }
    template += `{{${name}}}`
  }
  return template + text.slice(place)
}

/** A message as the chat formats of this world write it. */
export type ForeignMessage = { readonly message: PromptMessage } | { readonly fault: string }

/** `developer` is the newer name of `system`, `model` another one of `assistant`. */
const roles: Readonly<Record<string, PromptMessage['role']>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  model: 'assistant',
}
const textParts = ['text', 'input_text', 'output_text']
const messageKeys = ['role', 'content', 'type', 'id', 'status']

/**
 * Reads `{ role, content }`, where the content is a text or a list of text parts, as OpenAI, promptfoo and Langfuse have
 * it. `templateOf` turns the text into a template.
 */
export function foreignMessage(value: unknown, templateOf: (text: string) => string): ForeignMessage {
  if (!isRecord(value)) return { fault: 'a message is no object' }
  const role = typeof value.role === 'string' && Object.hasOwn(roles, value.role) ? roles[value.role] : undefined
  if (role === undefined) return { fault: `messages of the role ${wordOf(value.role)} are not part of a prompt` }
  const stray = Object.keys(value).find((key) => !messageKeys.includes(key))
  if (stray !== undefined) return { fault: `a message has ${stray}, which a prompt does not hold` }
  const parts = Array.isArray(value.content) ? value.content : [value.content]
  const texts: string[] = []
  for (const part of parts) {
    const text = typeof part === 'string' ? part : isTextPart(part) ? part.text : undefined
    if (text === undefined) return { fault: 'a message holds something other than text' }
    texts.push(text)
  }
  try {
    return { message: { role, content: templateOf(texts.join('\n')) } }
  } catch (error) {
    if (error instanceof TemplateFault) return { fault: error.message }
    throw error
  }
}

/** What a foreign file says, for a message: an object as JSON, since JavaScript cannot make a text of every one. */
export const wordOf = (value: unknown): string => (typeof value === 'object' ? shortJson(value) : String(value))

const isTextPart = (part: unknown): part is { readonly text: string } =>
  isRecord(part) && textParts.some((type) => type === part.type) && typeof part.text === 'string'

/** All messages, or why one of them cannot be taken. */
export function foreignMessages(
  values: readonly unknown[],
  templateOf: (text: string) => string,
): { readonly messages: readonly PromptMessage[] } | { readonly fault: string } {
  const messages: PromptMessage[] = []
  for (const value of values) {
    const read = foreignMessage(value, templateOf)
    if ('fault' in read) return read
    messages.push(read.message)
  }
  return { messages }
}
