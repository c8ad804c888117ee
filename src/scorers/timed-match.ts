import { createContext, Script } from 'node:vm'
import { ScorerFault } from './scorer'

/** Wall-clock limit of one match: a pattern may still take polynomial time on a long output. */
const matchTimeoutMs = 2_000

const match = new Script('expression.test(text)')

/** Whether the text matches, within a limit of time. Throws `ScorerFault` beyond it. */
export function timedMatch(expression: RegExp): (text: string) => boolean {
  const world: { expression: RegExp; text: string } = { expression, text: '' }
  const context = createContext(world)
  return (text) => {
    world.text = text
    try {
      return match.runInContext(context, { timeout: matchTimeoutMs }) === true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      throw new ScorerFault(`${expression} takes longer than ${matchTimeoutMs} ms on ${text.length} characters`)
    } finally {
      world.text = ''
    }
  }
}
