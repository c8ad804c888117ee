import { compileSnapshot } from '../src/domain/compiled-snapshot'
import type { Snapshot } from '../src/domain/snapshot'
import { collectGarbage, type Finding, type Row, rounded } from './measure'
import { snapshotOf, type World, worlds } from './resolve-world'

const mb = 1024 * 1024
const rounds = 3

/** What is being weighed: held here until it was. */
export let weighed: unknown

/** What an application holds of a world: the snapshot as the SDK compiles it, against the same one as parsed JSON. */
export async function benchSnapshot(): Promise<Finding[]> {
  const about = 'heap that a snapshot holds in an application, against the parsed JSON that it was made of'
  return [{ benchmark: 'snapshot', about, rows: worlds.map(rowOf) }]
}

function rowOf(world: World): Row {
  const text = JSON.stringify(snapshotOf(world))
  const wire = Buffer.byteLength(text)
  const parsed = weight(() => JSON.parse(text))
  const times: number[] = []
  const held = weight(() => {
    const from = performance.now()
    const compiled = compileSnapshot(JSON.parse(text) as Snapshot)
    times.push(performance.now() - from)
    return compiled
  })
  return {
    world: world.name,
    'wire MB': rounded(wire / mb),
    'parsed MB': rounded(parsed / mb),
    'held MB': rounded(held / mb),
    'held ÷ parsed': rounded(held / parsed),
    'parse and compile ms': rounded(Math.min(...times)),
  }
}

/** Bytes of heap that stay: the least of a few, since the first also pays for what is compiled and cached. */
function weight(make: () => unknown): number {
  const bytes = Array.from({ length: rounds }, () => {
    weighed = undefined
    collectGarbage()
    const before = process.memoryUsage()
    weighed = make()
    collectGarbage()
    const after = process.memoryUsage()
    return after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  })
  weighed = undefined
  return Math.min(...bytes)
}
