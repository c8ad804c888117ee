import { compileSnapshot } from '../../src/domain/compiled-snapshot'
import { resolve } from '../../src/domain/resolve'
import type { TelemetryBatch } from '../../src/domain/telemetry'
import type { Digest } from '../../src/domain/version'
import { SnapshotBuilder } from '../../src/store/snapshots'
import type { Store } from '../../src/store/store'
import { emptyBatch, unitName, unitReport } from './traffic'

export interface TrafficOrder {
  readonly task: string
  readonly conversations: number
  /** Whether a conversation served by this composite sees an error. */
  readonly fails: (composite: Digest, index: number) => boolean
}

let begun = 0

/** Conversations that begin now, resolved like an application does, and reported; returns composite → how many. */
export async function sendTraffic(store: Store, order: TrafficOrder): Promise<ReadonlyMap<string, number>> {
  const now = await store.database.now()
  const compiled = compileSnapshot(await new SnapshotBuilder(store).build('production', now))
  // A step counts from its lead on; these conversations begin under it, however soon they are sent.
  const startedAt = Math.max(now, compiled.lanes.get(order.task)?.head?.at ?? 0)
  const strata = new Map<string, TelemetryBatch['strata'][number]>()
  const served = new Map<string, number>()
  for (let index = 0; index < order.conversations; index++) {
    const unit = unitName(++begun)
    const tenant = `tenant-${index % 20}`
    const place = resolve(compiled, { task: order.task, tenant, conversation: unit, startedAt })
    if ('skip' in place) continue
    const { composite, seq, slice, arm } = place
    served.set(composite.id, (served.get(composite.id) ?? 0) + 1)
    const failed = order.fails(composite.id, index)
    const report = unitReport({
      unit,
      tenant,
      closed: true,
      ...(failed ? { errors: 1, events: ['error'] as const } : {}),
    })
    const key = `${seq}/${slice}/${arm}/${composite.id}`
    const stratum = strata.get(key) ?? { task: order.task, seq, slice, arm, composite: composite.id, units: [] }
    strata.set(key, { ...stratum, units: [...stratum.units, report] })
  }
  await store.telemetry.ingest(
    { ...emptyBatch('traffic-1'), environment: 'production', strata: [...strata.values()] },
    'app',
  )
  return served
}
