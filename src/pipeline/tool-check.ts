import type { ToolContent } from '../domain/pipeline-contents'
import type { ToolCall } from '../domain/tool-call'
import { compileSchema, type SchemaMismatch } from '../kinds/schema-compile'

/** Where calls do not fit the tools that were offered; empty: the application can carry them out. */
export function checkToolCalls(tools: readonly ToolContent[], calls: readonly ToolCall[]): readonly SchemaMismatch[] {
  return calls.flatMap((call, place) =>
    checkToolCall(tools, call).map(({ path, message }) => ({ path: `/tools/${place}${path}`, message })),
  )
}

function checkToolCall(tools: readonly ToolContent[], call: ToolCall): readonly SchemaMismatch[] {
  const tool = tools.find(({ name }) => name === call.name)
  if (tool === undefined) return [{ path: '', message: `calls ${call.name}, which is no tool here` }]
  try {
    return compileSchema(tool.parameters)(JSON.parse(call.arguments))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return [{ path: '', message: `gives ${call.name} arguments that are not JSON` }]
  }
}
