/** The engine asks the application to call a tool. */
export interface ToolCall {
  /** Given by the provider; the result goes back under it. */
  readonly id: string
  readonly name: string
  /** JSON, as the engine wrote it. */
  readonly arguments: string
}

/** What an answer says: its output, or the tools that it calls. The ids of calls are drawn anew at every try. */
export const answeredWith = (output: unknown, calls: readonly ToolCall[]): unknown =>
  calls.length === 0 ? output : { toolCalls: calls.map(({ name, arguments: given }) => ({ name, arguments: given })) }

/** One round of a request: what the engine asked for, and what came of it, by the id of the call. */
export interface ToolTurn {
  readonly calls: readonly ToolCall[]
  readonly results: Readonly<Record<string, string>>
}

/** Rounds of one request. */
export const maxToolTurns = 32
