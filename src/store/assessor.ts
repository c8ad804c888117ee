import { assess } from '../domain/analysis'
import type { Assessment, AssessmentInput } from '../domain/guardrail'
import type { LaneState } from '../domain/lane'
import type { Plan } from '../domain/plan'
import type { Policy } from '../domain/policy'
import { rolloutEnvironment } from '../domain/rollout'
import { maxHarmOf } from '../domain/tenant-harm'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from './catalog'
import type { Evidence } from './evidence'
import type { Ledger } from './ledger'
import type { ProbeReadings } from './probe-readings'
import { type Providers, voidText } from './providers'
import type { ReleaseRecord, Releases } from './releases'
import type { Telemetry } from './telemetry'

export interface AssessorDeps {
  readonly catalog: Catalog
  readonly ledger: Ledger
  readonly releases: Releases
  readonly telemetry: Telemetry
  readonly evidence: Pick<Evidence, 'isVoid'>
  readonly providers: Pick<Providers, 'changes'>
  readonly readings: Pick<ProbeReadings, 'of'>
}

/** A release with what its judgement needs; plan and policy are immutable, so they are read once. */
export interface ReleaseFile {
  readonly record: ReleaseRecord
  readonly plan: Plan
  readonly policy: Policy
}

/** What was judged and the judgement: together they are the decision record's evidence. */
export interface Judgement {
  readonly input: AssessmentInput
  readonly assessment: Assessment
  readonly lane: LaneState
}

const hourMs = 3_600_000

export async function openRelease(
  deps: Pick<AssessorDeps, 'catalog' | 'releases'>,
  releaseId: string,
): Promise<ReleaseFile> {
  const record = await deps.releases.get(releaseId)
  if (record.plan === undefined) throw new SluiceError('not_found', `The release ${releaseId} has no plan yet.`)
  const plan = await deps.releases.plan(record.plan)
  const { content } = await deps.catalog.byDigest('policy', plan.policy)
  return { record, plan, policy: content as Policy }
}

/** Reads the stored statistics of a release and judges them. A new caller needs no memory of the one before. */
export async function judge(deps: AssessorDeps, file: ReleaseFile, bakeComplete: boolean): Promise<Judgement> {
  const { plan, policy, record } = file
  const environment = rolloutEnvironment(policy)
  const lane = await deps.ledger.lane(environment, plan.task)
  const release = { environment, task: plan.task, releaseId: record.id }
  const { read } = deps.telemetry
  const composite = plan.candidate
  const budget = policy.breakers.some((breaker) => breaker.kind === 'budget')
  const { incumbent } = lane
  const byTenant = policy.breakers.some((breaker) => breaker.kind === 'budget' && breaker.usdPerTenant !== undefined)
  const { evidence: told } = deps.telemetry
  const [strata, totals, lastHourUsd, step, silent, changes, tenants, topTenant, readings] = await Promise.all([
    read.strataOf(release),
    budget ? read.compositeTotals({ ...release, composite }) : undefined,
    budget ? read.spend({ composite, environment, task: plan.task, sinceMs: hourMs }) : 0,
    stepInForce(deps, file, lane, bakeComplete),
    deps.telemetry.reporters.silent(environment),
    voidingChanges(deps, file, incumbent),
    told.tenants(release, maxHarmOf(policy).minimumEvents),
    byTenant ? told.topTenant(release) : undefined,
    deps.readings.of(
      record.id,
      (policy.probes ?? []).map(({ name }) => name),
    ),
  ])
  const seqs = [...new Set([...strata.map(({ seq }) => seq), ...(step?.seqs ?? [])])]
  const [full, ...windows] = await Promise.all([
    told.isFull(environment, plan.task, seqs),
    ...policy.breakers.flatMap((breaker) =>
      breaker.kind === 'errors'
        ? [read.window({ environment, task: plan.task, composite, windowMs: breaker.windowMs, events: breaker.events })]
        : [],
    ),
  ])
  const input: AssessmentInput = {
    policy,
    strata,
    windows,
    spend: { releaseUsd: totals?.costUsd ?? 0, lastHourUsd, ...(topTenant === undefined ? {} : { topTenant }) },
    reporting: { silent, full },
    tenants,
    ...(readings.length === 0 ? {} : { readings }),
    hasIncumbent: plan.lanes.at(-1)?.incumbent !== undefined,
    ...(step === undefined ? {} : { step }),
    ...(changes.length === 0 ? {} : { providerChanges: changes.map(voidText) }),
  }
  const assessment = assess(input)
  if (assessment.action !== 'rollback') return { input, assessment, lane }
  // Only a rollback is asked who told of the harm: any other tick need not read that.
  const { breakers } = policy
  const sources = await told.sources({ environment, task: plan.task, candidate: composite, seqs, breakers })
  const checked = { ...input, sources }
  return { input: checked, assessment: assess(checked), lane }
}

/** Provider changes since the release began, for as long as the suite was not run again since. */
async function voidingChanges(deps: AssessorDeps, { plan, record }: ReleaseFile, incumbent: Digest | undefined) {
  const { candidate, suite, policy } = plan
  const composites = incumbent === undefined ? [candidate] : [candidate, incumbent]
  const changes = await deps.providers.changes({ composites, since: record.createdAt })
  if (changes.length === 0) return []
  const key = { candidate, suite, policy, ...(incumbent === undefined ? {} : { incumbent }) }
  return (await deps.evidence.isVoid(key)) ? changes : []
}

/** The step whose entry is the base of the rollout lane; its evidence is bound to that entry and those repeating it. */
async function stepInForce(
  deps: AssessorDeps,
  file: ReleaseFile,
  lane: LaneState,
  bakeComplete: boolean,
): Promise<AssessmentInput['step']> {
  if (lane.releaseId !== file.record.id || lane.baseCause !== 'step') return undefined
  const { environment, task, baseSeq, headSeq } = lane
  const [entry] = await deps.ledger.entries(environment, task, { from: baseSeq, limit: 1 })
  const name = entry?.key.split('/')[1]
  const planned = file.plan.steps.find((step) => step.name === name)
  if (planned === undefined) return undefined
  const seqs = Array.from({ length: headSeq - baseSeq + 1 }, (_, index) => baseSeq + index)
  const units = await deps.telemetry.read.stepUnits({ environment, task, seqs })
  return { environment, seqs, minimumSample: planned.minimumSample, bakeComplete, units }
}
