/** A conversation of the data as it is stored: user, assistant and tool messages in order. */
export interface SourceMessage {
  readonly role: 'user' | 'assistant' | 'tool'
  readonly content?: string
  readonly tool_calls?: readonly { readonly name: string; readonly arguments: string }[]
  readonly name?: string
}

export interface SourceConversation {
  readonly id: string
  /** The task the customer had; four conversations share one. */
  readonly task: number
  readonly trial: number
  /** Whether the task's own check passed afterwards. */
  readonly resolved: boolean
  readonly messages: readonly SourceMessage[]
}

/** Each entry of a rendered transcript starts with one of these at the beginning of a line. */
const entryStart = /^(?=\[(?:customer|agent|call|result)\] )/m

function renderMessage(message: SourceMessage): string {
  if (message.role === 'user') return `[customer] ${message.content ?? ''}`
  if (message.role === 'tool') return `[result] ${message.name ?? 'tool'}: ${message.content ?? ''}`
  const said = message.content ? [`[agent] ${message.content}`] : []
  const calls = (message.tool_calls ?? []).map((call) => `[call] ${call.name} ${call.arguments}`)
  return [...said, ...calls].join('\n')
}

/** The text a prompt gets as `transcript`: one entry a message or tool call, in order. */
export function renderTranscript(messages: readonly SourceMessage[]): string {
  return messages.map(renderMessage).join('\n')
}

/** The entries of a rendered transcript, in order; joined by newlines they are the transcript again. */
export function entriesOf(transcript: string): readonly string[] {
  return transcript.split(entryStart).map((entry) => entry.replace(/\n$/, ''))
}

/** Whether the agent handed the customer over to a person: a fact of the tool calls, not of the words. */
export function wasTransferred(messages: readonly SourceMessage[]): boolean {
  return messages.some((message) => message.tool_calls?.some((call) => call.name === 'transfer_to_human_agents'))
}

/**
 * The transcript as it stood after each message of the customer or the agent, shortest first; the last one is the
 * whole. Live traffic scores these, the suite only the whole.
 */
export function cutsOf(transcript: string): readonly string[] {
  const entries = entriesOf(transcript)
  const cuts = entries.flatMap((entry, index) =>
    /^\[(customer|agent)\] /.test(entry) ? [entries.slice(0, index + 1).join('\n')] : [],
  )
  return cuts.at(-1) === transcript ? cuts : [...cuts, transcript]
}
