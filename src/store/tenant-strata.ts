import type { Allocation } from '../domain/allocation'
import { type ArmStats, type ClosedValueName, closedValueNames } from '../domain/telemetry'
import { armStatsOf, momentsOf, sumTotals, type TotalName, type Totals } from '../domain/telemetry-fold'
import type { Database } from './database'
import type { TenantUnitDocument } from './telemetry-documents'

export interface TenantArmQuestion {
  readonly entry: Pick<Allocation, 'environment' | 'task' | 'seq'>
  readonly slice: number
  readonly arm: 'candidate' | 'incumbent'
  /** Basis points: tenants below were exposed by an earlier step. */
  readonly bucketFrom: number
}

const maxTenants = 100_000

/**
 * The candidate's share among tenants that no earlier step exposed: exposure is nested, so a tenant of an earlier step
 * recurs in each later one and would be counted again. Both in basis points; undefined where nothing new is compared.
 */
export function shareAmongNew(basisPoints: number, earlier: number): number | undefined {
  if (basisPoints <= earlier || basisPoints >= 10_000) return undefined
  return (basisPoints - earlier) / (10_000 - earlier)
}

/** Statistics of one arm with the tenant as unit: its events once, and the values of its first sealed conversation. */
export async function armOfTenants(database: Database, question: TenantArmQuestion): Promise<ArmStats> {
  const { entry, slice, arm, bucketFrom } = question
  const { environment, task, seq } = entry
  const rows = database
    .collection<TenantUnitDocument>('tenantUnits')
    .find({ environment, task, seq, slice, arm, bucket: { $gte: bucketFrom } }, { projection: { _id: 0 } })
    .limit(maxTenants)
  let sum: Totals = {}
  for await (const row of rows) if (!row.gap) sum = sumTotals(sum, tenantContribution(row))
  return armStatsOf(sum)
}

function tenantContribution(row: TenantUnitDocument): Totals {
  const totals: Record<string, number> = { ...row.totals, units: 1 }
  for (const name of Object.keys(totals) as TotalName[]) {
    if (name.startsWith('event_') || name.startsWith('closed_')) delete totals[name]
  }
  for (const name of row.events) totals[`event_${name}`] = 1
  for (const name of closedValueNames) addMoments(totals, name, row.first?.[name])
  return totals
}

function addMoments(totals: Record<string, number>, name: ClosedValueName, value: number | undefined): void {
  if (value === undefined) return
  for (const [moment, addend] of Object.entries(momentsOf(name, value))) totals[`closed_${name}_${moment}`] = addend
}
