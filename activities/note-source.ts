import type { EvaluationReport, FieldShift } from '../src/domain/evaluation'
import type { Audience, Drift, NoteInput, NoteKind, Shift } from '../src/domain/note-input'
import type { Plan } from '../src/domain/plan'
import { rolloutEnvironment } from '../src/domain/rollout'
import type { TenantEntry } from '../src/domain/tenant'
import { openRelease, type ReleaseFile } from '../src/store/assessor'
import { allTenants, audienceOf } from '../src/store/planner'
import type { Store } from '../src/store/store'
import type { NoteSource } from './communicate'

/** Notes from what was planned and measured, for every tenant that the ledger knows and that runs the task. */
export function createNoteSource(store: Store): NoteSource {
  return { noteInputs: (releaseId, kind) => noteInputs(store, releaseId, kind) }
}

async function* noteInputs(store: Store, releaseId: string, kind: NoteKind): AsyncGenerator<NoteInput> {
  const file = await openRelease(store, releaseId)
  const { plan, policy, record } = file
  const task = await store.catalog.task(plan.task)
  const verdict = await store.evidence.verdictOf(releaseId)
  const rollback = kind === 'retraction' ? await rollbackReason(store, releaseId) : undefined
  const { why, expect } = plan.request
  const base = {
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
  for await (const entry of allTenants(store.tenants)) {
    const group = audienceOf(entry, task, rolloutEnvironment(policy))
    if (group === 'notSubscribed') continue
    const { locale } = entry.state
    const tenant = { id: entry.tenant, ...(locale === undefined ? {} : { locale }) }
    yield { ...base, tenant, audience: await audience(store, file, entry, group) }
  }
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
  const decisions = await store.releases.decisions(releaseId, { kinds: ['rollback'] })
  return decisions.at(-1)?.reason ?? 'it was rolled back'
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
