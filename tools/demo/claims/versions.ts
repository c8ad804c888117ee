import type { Allocation } from '../../../src/domain/allocation'
import type { ServedRow } from '../messages'
import { short } from '../wording'
import type { Claim } from './claim'

export const versions: Claim = {
  text: 'No conversation changed its version but by the rollback of that very version',
  check({ conversations, entries }) {
    const rollbacks = entries.filter(({ cause }) => cause === 'rollback')
    const faults: string[] = []
    let moved = 0
    for (const [name, served] of conversations) {
      for (const [index, row] of served.entries()) {
        const before = served[index - 1]
        if (before === undefined) continue
        if (before.seq !== row.seq || before.tenantSeq !== row.tenantSeq) {
          faults.push(`${name} was bound to ${before.seq}.${before.tenantSeq}, then to ${row.seq}.${row.tenantSeq}`)
        }
        if (before.composite === row.composite) continue
        moved++
        if (!isMoveOf(rollbacks, before, row)) {
          faults.push(`${name} went from ${short(before.composite)} to ${short(row.composite)} without a rollback`)
        }
      }
    }
    return { figures: `${conversations.size} conversations, ${moved} moved by rollbacks`, faults }
  },
}

/** Whether rollbacks after the bound entry, known to whoever served, lead from one composite to the other. */
function isMoveOf(rollbacks: readonly Allocation[], before: ServedRow, row: ServedRow): boolean {
  let composite: string | undefined = before.composite
  for (const { seq, revokes = [], incumbent } of rollbacks) {
    if (seq > before.seq && seq <= row.headSeq && revokes.some((one) => one === composite)) composite = incumbent
  }
  return composite === row.composite
}
