import type { Allocation } from './allocation'
import { bucketOf } from './bucket'
import { compileSnapshot } from './compiled-snapshot'
import type { ServedComposite } from './composite'
import { resolve, type Served, type Skipped } from './resolve'
import type { Snapshot } from './snapshot'
import type { RequestRecord } from './telemetry'
import type { TenantEntry } from './tenant'
import type { Digest } from './version'

/** A request as the log holds it. */
export interface LoggedDecision
  extends Pick<
    RequestRecord,
    | 'task'
    | 'tenant'
    | 'conversation'
    | 'binding'
    | 'composite'
    | 'arm'
    | 'reason'
    | 'seq'
    | 'slice'
    | 'headSeq'
    | 'tenantSeq'
  > {
  readonly environment: string
}

/** The ledgers that a request was resolved from. */
export interface Ledgers {
  /** Of the lane, contiguous and in seq order; later ones than the logged head are left out of account. */
  readonly entries: readonly Allocation[]
  /** Of the tenant, in the same way; later ones than the logged one are left out. */
  readonly tenantEntries: readonly TenantEntry[]
  /** The task that this one replaces, if any. */
  readonly supersedes?: string
}

/** A logged request, resolved again from the ledgers as of the heads that it was served by. */
export interface Explanation {
  /** Absent: the logged head names no entry. */
  readonly again?: Served | Skipped
  /** The entry that the conversation is bound to. */
  readonly entry?: Allocation
  /** The tenant's entry that it is bound to; absent where the ledger did not know the tenant then. */
  readonly tenantEntry?: TenantEntry
  /** Where the conversation (or tenant) falls, 0..9999, where a slice was matched. */
  readonly bucket?: number
  /** What log and ledgers disagree about; empty: they agree. */
  readonly differences: readonly string[]
}

/** Pure: the same function decides here as in the application. */
export function explain(logged: LoggedDecision, ledgers: Ledgers): Explanation {
  const entries = ledgers.entries.filter(({ seq }) => seq <= logged.headSeq)
  const entry = entries.find(({ seq }) => seq === logged.seq)
  if (entries.length === 0 || entry === undefined) {
    return { differences: [`the ledger has no entry ${logged.seq} below the head ${logged.headSeq}`] }
  }
  const tenantEntries = ledgers.tenantEntries.filter(({ seq }) => seq <= logged.tenantSeq)
  const tenantEntry = tenantEntries.find(({ seq }) => seq === logged.tenantSeq)
  if (logged.tenantSeq > 0 && tenantEntry === undefined) {
    return { entry, differences: [`the ledger of ${logged.tenant} has no entry ${logged.tenantSeq}`] }
  }
  const { task, tenant, conversation, binding } = logged
  const compiled = compileSnapshot(snapshotOf(logged, entries, { ...ledgers, tenantEntries }))
  const again = resolve(compiled, { task, tenant, conversation, binding, allowBehind: true })
  const slice = entry.exposure[logged.slice]
  const bucket = slice && bucketOf(entry.salt, tenant, slice.by === 'tenant' ? undefined : conversation)
  return {
    again,
    entry,
    ...(tenantEntry === undefined ? {} : { tenantEntry }),
    differences: differencesOf(logged, again),
    ...(bucket === undefined ? {} : { bucket }),
  }
}

function snapshotOf(logged: LoggedDecision, entries: readonly Allocation[], ledgers: Ledgers): Snapshot {
  const { environment, task, tenant } = logged
  const { tenantEntries, supersedes } = ledgers
  const pins = tenantEntries
    .flatMap(({ state }) => Object.values(state.tasks))
    .flatMap(({ override, optOut }) => [...Object.values(override?.pins ?? {}), ...Object.values(optOut ?? {})])
  const named = [
    ...entries.flatMap(({ incumbent, candidate }) => [incumbent, candidate]),
    ...pins.map(({ composite }) => composite),
  ].filter((id) => id !== undefined)
  return {
    specVersion: 1,
    environment,
    version: '',
    leadMs: 0,
    lanes: { [task]: { task, entries, ...(supersedes === undefined ? {} : { supersedes }) } },
    tenants: tenantEntries.length === 0 ? {} : { [tenant]: tenantEntries },
    composites: Object.fromEntries(named.map((id) => [id, bare(id)])),
  }
}

/** Which composite it is, is what is asked; what is in it does not matter here. */
const bare = (id: Digest): ServedComposite => ({ id, roles: {}, contents: {} })

function differencesOf(logged: LoggedDecision, again: Served | Skipped): readonly string[] {
  if ('skip' in again) return [`the ledgers serve nothing (${again.skip})`]
  const compared = [
    ['composite', logged.composite, again.composite.id],
    ['arm', logged.arm, again.arm],
    ['reason', logged.reason, again.reason],
    ['entry', logged.seq, again.seq],
    ['slice', logged.slice, again.slice],
  ] as const
  return compared.flatMap(([name, log, ledger]) =>
    log === ledger ? [] : [`${name}: the log says ${log}, the ledgers say ${ledger}`],
  )
}
