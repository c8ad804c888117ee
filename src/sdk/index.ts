import { Sluice } from './client'
import type { ConnectOptions } from './options'

export type { Branch } from '../domain/branch'
export type { ToolCall, ToolTurn } from '../domain/tool-call'
export { SluiceError } from '../errors'
export type { ConversationRequest, Sluice } from './client'
export type { LateQuality } from './late-quality'
export type { ChangeEvent, ConnectOptions, StaleEvent } from './options'
export type { Report } from './report'
export type { RunOptions, RunResult } from './run-result'
export type { NotServing, ServedPrompt, Serving } from './serving'

/**
 * Connects an application to one environment. Resolves once it can serve: by the server's snapshot, or by the last
 * known good one on disk while the server is down. Throws where there is neither.
 */
export async function connect(options: ConnectOptions): Promise<Sluice> {
  const sluice = new Sluice(options)
  await sluice.start()
  return sluice
}
