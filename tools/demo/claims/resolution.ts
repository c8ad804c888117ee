import { bindingText } from '../../../src/domain/binding'
import { type CompiledSnapshot, compileSnapshot } from '../../../src/domain/compiled-snapshot'
import { resolve } from '../../../src/domain/resolve'
import type { Snapshot } from '../../../src/domain/snapshot'
import { task } from '../scenes'
import { short } from '../wording'
import type { Claim } from './claim'

export const resolution: Claim = {
  text: 'Every request was served what the ledgers decide, as of the entries its application knew',
  check({ rows, snapshot }) {
    const known = new Map<number, CompiledSnapshot>()
    const faults: string[] = []
    for (const row of rows) {
      const compiled = known.get(row.headSeq) ?? compileSnapshot(asOf(snapshot, row.headSeq))
      known.set(row.headSeq, compiled)
      const { tenant, conversation } = row
      const binding = bindingText(row.seq, row.tenantSeq)
      const decided = resolve(compiled, { task, tenant, conversation, binding })
      const name = `${tenant}/${conversation} (${row.requestId})`
      if ('skip' in decided) {
        faults.push(`${name} was served though it is ${decided.skip}`)
        continue
      }
      const differs = decided.composite.id !== row.composite || decided.arm !== row.arm || decided.reason !== row.reason
      if (differs || decided.slice !== row.slice) {
        faults.push(`${name} was served ${short(row.composite)}, the ledgers say ${short(decided.composite.id)}`)
      }
    }
    return { figures: `${rows.length} requests resolved again, by ${known.size} states of the lane`, faults }
  },
}

/** The snapshot as it was when the lane ended at this entry. */
function asOf(snapshot: Snapshot, headSeq: number): Snapshot {
  const lane = snapshot.lanes[task]
  if (lane === undefined) return snapshot
  const entries = lane.entries.filter(({ seq }) => seq <= headSeq)
  return { ...snapshot, lanes: { ...snapshot.lanes, [task]: { ...lane, entries } } }
}
