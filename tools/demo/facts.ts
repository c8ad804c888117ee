import type { ReleaseView } from '../../src/api/release-commands'
import type { Allocation } from '../../src/domain/allocation'
import type { Verdict } from '../../src/domain/evaluation'
import type { Plan } from '../../src/domain/plan'
import type { Snapshot } from '../../src/domain/snapshot'
import type { TenantEntry } from '../../src/domain/tenant'
import type { Digest } from '../../src/domain/version'
import { type Decision, decisionKinds, type ReleaseRecord } from '../../src/store/releases'
import { SnapshotBuilder } from '../../src/store/snapshots'
import type { Application, Ended } from './fleet'
import type { DemoGround } from './ground'
import type { Manager } from './manager'
import type { ServedRow, SkippedRow } from './messages'
import { production, type Story, task } from './scenes'
import { isServed } from './traffic'

/** A release with everything that was planned and decided. */
export interface ReleaseFacts {
  readonly record: ReleaseRecord
  readonly plan: Plan
  readonly decisions: readonly Decision[]
}

export type FullStory = Readonly<Record<keyof Story | 'first', ReleaseFacts>>

/** What the claims are checked against: what the applications logged, and what the database holds. */
export interface Facts {
  readonly ground: DemoGround
  readonly manager: Manager
  readonly story: FullStory
  /** Served requests in the order they were resolved; times by the store's clock. */
  readonly rows: readonly ServedRow[]
  readonly skips: readonly SkippedRow[]
  readonly conversations: ReadonlyMap<string, readonly ServedRow[]>
  readonly ends: readonly Ended[]
  /** The production lane of the task. */
  readonly entries: readonly Allocation[]
  readonly snapshot: Snapshot
  readonly tenantEntries: readonly TenantEntry[]
  readonly verdicts: readonly Verdict[]
}

export interface Played {
  readonly ground: DemoGround
  readonly manager: Manager
  readonly story: Readonly<Record<keyof FullStory, ReleaseRecord>>
  readonly applications: readonly Application[]
  readonly ends: readonly Ended[]
}

export async function gather({ ground, manager, story, applications, ends }: Played): Promise<Facts> {
  const { store } = ground
  const shiftMs = await storeClockShift(ground)
  const logged = applications.flatMap((application) => application.rows())
  const byStore = logged
    .map((row) => ({ ...row, resolvedAt: row.resolvedAt + shiftMs }))
    .sort((left, right) => left.resolvedAt - right.resolvedAt)
  const rows = byStore.filter(isServed).map((row) => ({ ...row, answeredAt: row.answeredAt + shiftMs }))
  const snapshot = await new SnapshotBuilder(store).build(production, await store.database.now())
  return {
    ground,
    manager,
    story: {
      first: await factsOf(ground, story.first),
      good: await factsOf(ground, story.good),
      cost: await factsOf(ground, story.cost),
      error: await factsOf(ground, story.error),
      signalled: await factsOf(ground, story.signalled),
    },
    rows,
    skips: byStore.filter((row) => row.kind === 'skipped'),
    conversations: conversationsOf(rows),
    ends,
    entries: await store.ledger.entries(production, task),
    snapshot,
    tenantEntries: await tenantEntries(ground),
    verdicts: await allVerdicts(ground),
  }
}

/** What must be added to a moment of this machine's clock to have it by the store's. */
async function storeClockShift({ store }: DemoGround): Promise<number> {
  const before = Date.now()
  const now = await store.database.now()
  return now - (before + Date.now()) / 2
}

async function factsOf({ store }: DemoGround, { id }: ReleaseRecord): Promise<ReleaseFacts> {
  const record: ReleaseView['record'] = await store.releases.get(id)
  return {
    record,
    plan: await store.releases.plan(record.plan as Digest),
    decisions: await store.releases.decisions(id, { kinds: decisionKinds, limit: 1_000 }),
  }
}

export function conversationsOf(rows: readonly ServedRow[]): ReadonlyMap<string, readonly ServedRow[]> {
  const found = new Map<string, ServedRow[]>()
  for (const row of rows) {
    const name = `${row.tenant}/${row.conversation}`
    const known = found.get(name)
    if (known) known.push(row)
    else found.set(name, [row])
  }
  return found
}

async function tenantEntries({ store }: DemoGround): Promise<TenantEntry[]> {
  const heads = await store.tenants.list()
  return (await Promise.all(heads.map(({ tenant }) => store.tenants.history(tenant)))).flat()
}

const maxVerdictPages = 100

async function allVerdicts({ store }: DemoGround): Promise<Verdict[]> {
  const found: Verdict[] = []
  for (let page = 0; page < maxVerdictPages; page++) {
    const after = found.at(-1)?.id
    const more = await store.evidence.verdicts(after === undefined ? {} : { after })
    if (more.length === 0) break
    found.push(...more)
  }
  return found
}
