import type { EvaluationReport, FieldShift } from '../src/domain/evaluation'
import type { Audience, Drift, Held, NoteInput, NoteKind, Shift } from '../src/domain/note-input'
import { receives } from '../src/domain/note-wording'
import type { Plan } from '../src/domain/plan'
import { rolloutEnvironment } from '../src/domain/rollout'
import type { TenantEntry } from '../src/domain/tenant'
import { openRelease, type ReleaseFile } from '../src/store/assessor'
import { allTenants, audienceOf } from '../src/store/planner'
import type { Store } from '../src/store/store'
import type { AddressedNote, NoteSource } from './communicate'

/** What is the same in every note of a release. */
type Common = Omit<NoteInput, 'tenant' | 'audience' | 'held'>

/**
 * Notes from what was planned and measured: of a release for every tenant that the ledger knows and that runs the task, of
 * its rollback wherever a note of it went.
 */
export function createNoteSource(store: Store): NoteSource {
  return { noteInputs: (releaseId, kind) => noteInputs(store, releaseId, kind) }
}

async function* noteInputs(store: Store, releaseId: string, kind: NoteKind): AsyncGenerator<AddressedNote> {
  const file = await openRelease(store, releaseId)
  const common = await commonOf(store, file, kind)
  yield* kind === 'release' ? announcements(store, file, common) : retractions(store, file, common)
}

async function commonOf(store: Store, { plan, record }: ReleaseFile, kind: NoteKind): Promise<Common> {
  const verdict = await store.evidence.verdictOf(record.id)
  const rollback = kind === 'retraction' ? await rollbackReason(store, record.id) : undefined
  const { why, expect } = plan.request
  return {
    kind,
    release: { id: record.id, task: plan.task, why, ...(expect === undefined ? {} : { expect }) },
    change: plan.changes.map(({ role, from, to, changes }) => ({
      role,
      to,
      changes,
      ...(from === undefined ? {} : { from }),
    })),
    changeClass: plan.changeClass,
    shifts: verdict ? measuredShifts(verdict.report) : [],
    ...(rollback === undefined ? {} : { rollbackReason: rollback }),
  }
}

async function* announcements(store: Store, file: ReleaseFile, common: Common): AsyncGenerator<AddressedNote> {
  const task = await store.catalog.task(file.plan.task)
  for await (const entry of allTenants(store.tenants)) {
    const group = audienceOf(entry, task, rolloutEnvironment(file.policy))
    if (group === 'notSubscribed') continue
    const { locale } = entry.state
    const tenant = { id: entry.tenant, ...(locale === undefined ? {} : { locale }) }
    yield { ...common, tenant, audience: await audience(store, file, entry, group) }
  }
}

/** By what was told, not by who would be told now: subscriptions, channels and pins may have changed since. */
async function* retractions(store: Store, file: ReleaseFile, common: Common): AsyncGenerator<AddressedNote> {
  const task = await store.catalog.task(file.plan.task)
  const environment = rolloutEnvironment(file.policy)
  for await (const { tenant, audience, channel } of store.outbox.told(file.record.id)) {
    const entry = await store.tenants.current(tenant.id)
    const held = entry === undefined ? [] : await heldBy(store, file, entry)
    // Who gave up a pin after the note got the change all the same.
    const got = !receives(audience) && entry !== undefined && audienceOf(entry, task, environment) === 'affected'
    yield {
      ...common,
      tenant,
      audience: got ? { kind: 'affected' } : audience,
      channels: [channel],
      ...(held.length === 0 ? {} : { held }),
    }
  }
}

/** Where the tenant's present override has what the release brought. The candidate itself as an override is revoked. */
async function heldBy(store: Store, { plan, policy }: ReleaseFile, { state }: TenantEntry): Promise<Held[]> {
  const pin = state.tasks[plan.task]?.override?.pins[rolloutEnvironment(policy)]
  if (pin === undefined || pin.composite === plan.candidate) return []
  const [own, candidate] = await store.catalog.compositesByIds([pin.composite, plan.candidate])
  return plan.changes.flatMap(({ role }) => {
    const mine = own?.roles[role]
    return mine !== undefined && mine.digest === candidate?.roles[role]?.digest ? [{ role, own: mine.ref }] : []
  })
}

async function audience(
  store: Store,
  file: ReleaseFile,
  entry: TenantEntry,
  group: 'affected' | 'overridden' | 'optedOut',
): Promise<Audience> {
  if (group === 'optedOut') return { kind: 'opted_out' }
  if (group === 'overridden') return { kind: 'overridden', drift: await driftOf(store, file.plan, entry) }
  return entry.state.ring === file.policy.pilot?.ring ? { kind: 'pilot' } : { kind: 'affected' }
}

/** The roles in which the tenant's own composite differs from the base it was made from, and what that base is now. */
async function driftOf(store: Store, plan: Plan, entry: TenantEntry): Promise<Drift[]> {
  const override = entry.state.tasks[plan.task]?.override
  const pin = override && Object.values(override.pins)[0]
  if (!override || !pin) return []
  const [own, base, now] = await store.catalog.compositesByIds([pin.composite, override.base, plan.candidate])
  return Object.entries(own?.roles ?? {}).flatMap(([role, mine]) => {
    const was = base?.roles[role]
    const is = now?.roles[role]
    return was && is && was.digest !== mine.digest ? [{ role, own: mine.ref, base: was.ref, now: is.ref }] : []
  })
}

async function rollbackReason(store: Store, releaseId: string): Promise<string> {
  return (await store.releases.lastDecision(releaseId, 'rollback'))?.reason ?? 'it was rolled back'
}

function measuredShifts(report: EvaluationReport): Shift[] {
  const { candidate, incumbent, comparison } = report
  const of = (name: string, unit: Shift['unit'], after: number, before: number | undefined): Shift => ({
    name,
    unit,
    after,
    ...(before === undefined ? {} : { before }),
  })
  return [
    of('accuracy on the suite', 'share', candidate.accuracy.mean, incumbent?.accuracy.mean),
    of('cost per call', 'usd', candidate.cost.meanUsd, incumbent?.cost.meanUsd),
    of('output tokens per call', 'tokens', candidate.tokens.outputMean, incumbent?.tokens.outputMean),
    ...(comparison?.shifts ?? []).flatMap(fieldShift),
  ]
}

function fieldShift({ field, kind, before, after }: FieldShift): Shift[] {
  if (before === undefined || after === undefined || kind === 'text' || kind === 'category') return []
  return [
    kind === 'boolean'
      ? { name: `share of ${field}`, unit: 'share', before, after }
      : { name: `mean ${field}`, unit: 'score', before, after },
  ]
}
