import type { Allocation } from '../domain/allocation'
import { assess, restsOnSources } from '../domain/analysis'
import type { Assessment, AssessmentInput } from '../domain/guardrail'
import type { LaneState } from '../domain/lane'
import type { Plan } from '../domain/plan'
import type { Policy } from '../domain/policy'
import { rolloutEnvironment } from '../domain/rollout'
import { maxHarmOf } from '../domain/tenant-harm'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { BeforeAfter } from './before-after'
import type { Captures } from './captures'
import type { Catalog } from './catalog'
import type { Evidence } from './evidence'
import type { EvidenceReader } from './evidence-reader'
import type { Ledger } from './ledger'
import type { ProbeReadings } from './probe-readings'
import { type Providers, voidText } from './providers'
import type { ReleaseRecord, Releases } from './releases'
import type { Reporters, Silence } from './reporters'
import { type ArmUnits, breakerWindow, type TelemetryReader } from './telemetry-reader'

export interface AssessorDeps {
  readonly catalog: Catalog
  readonly ledger: Pick<Ledger, 'lane'>
  readonly releases: Releases
  readonly telemetry: {
    readonly read: Pick<TelemetryReader, 'entriesOfRelease' | 'figures' | 'series'>
    readonly evidence: Pick<EvidenceReader, 'sources' | 'tenants' | 'topTenant' | 'isFull'>
    readonly reporters: Pick<Reporters, 'silence'>
  }
  readonly shadows: { spent(releaseId: string): Promise<number> }
  readonly evidence: Pick<Evidence, 'isVoid' | 'judges'>
  readonly providers: Pick<Providers, 'changes'>
  readonly captures: Pick<Captures, 'isOn'>
  readonly readings: Pick<ProbeReadings, 'of'>
  readonly beforeAfter: Pick<BeforeAfter, 'looks'>
}

export type JudgeDeps = Omit<AssessorDeps, 'catalog' | 'releases'>

/** A release with what its judgement needs; plan and policy are immutable, so they are read once. */
export interface ReleaseFile {
  readonly record: ReleaseRecord
  readonly plan: Plan
  readonly policy: Policy
  /** See `AssessmentInput`. */
  readonly accepted?: readonly string[]
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

/**
 * Reads the stored statistics of a release and judges them. A new caller needs no memory of the one before. Whether the
 * bake is over is what the given record says of the step in force, so that every caller judges alike.
 */
export async function judge(deps: JudgeDeps, file: ReleaseFile): Promise<Judgement> {
  const { plan, policy, record } = file
  const environment = rolloutEnvironment(policy)
  const lane = await deps.ledger.lane(environment, plan.task)
  const release = { environment, task: plan.task, releaseId: record.id }
  const { read, evidence: told } = deps.telemetry
  const composite = plan.candidate
  const { incumbent, headSeq } = lane
  const place = { environment, task: plan.task }
  const budget = policy.breakers.some((breaker) => breaker.kind === 'budget')
  const errorBreakers = policy.breakers.filter((breaker) => breaker.kind === 'errors')
  const windowsMs = [...errorBreakers.map(({ windowMs }) => windowMs), ...(budget ? [hourMs] : [])]
  const byTenant = policy.breakers.some((breaker) => breaker.kind === 'budget' && breaker.usdPerTenant !== undefined)
  const entries = await read.entriesOfRelease({ ...release, headSeq })
  const inForce = stepInForce(file, lane, entries)
  const seqs = inForce?.seqs ?? []
  const [figures, sums, silence, changes, tenants, topTenant, shadowUsd, readings, captured, beforeAfter] =
    await Promise.all([
      read.figures({ ...release, candidate: composite, headSeq, step: seqs }),
      read.series.sums({ ...place, composite, windowsMs }),
      deps.telemetry.reporters.silence(environment),
      voidingChanges(deps, file, incumbent),
      told.tenants(release, maxHarmOf(policy).minimumEvents),
      byTenant ? told.topTenant(release) : undefined,
      budget && policy.shadow !== undefined ? deps.shadows.spent(record.id) : 0,
      deps.readings.of(record.id, probeNames(policy)),
      policy.judges === undefined || deps.captures.isOn(environment, plan.task),
      looksBeforeAfter(deps, file, entries),
    ])
  const { strata, totals } = figures
  const step = inForce && { ...inForce, units: figures.stepUnits }
  const judged = [...new Set([...strata.map(({ seq }) => seq), ...seqs])]
  const full = await told.isFull(environment, plan.task, judged)
  const windows = errorBreakers.map(({ windowMs, events }, index) => breakerWindow(windowMs, sums[index], events))
  const hour = budget ? sums[errorBreakers.length] : undefined
  const input: AssessmentInput = {
    policy,
    strata,
    windows,
    spend: {
      releaseUsd: totals.costUsd + shadowUsd,
      lastHourUsd: (hour?.costNano ?? 0) / 1e9,
      ...(topTenant === undefined ? {} : { topTenant }),
    },
    reporting: {
      silent: isSilent(silence, figures.stepUnits),
      full,
      ...(captured ? {} : { captureOff: true }),
      ...(inForce === undefined || hasLimits(entries, lane) ? {} : { noLimits: true }),
    },
    tenants,
    ...(readings.length === 0 ? {} : { readings }),
    ...(beforeAfter === undefined ? {} : { beforeAfter }),
    hasIncumbent: plan.lanes.at(-1)?.incumbent !== undefined,
    ...(step === undefined ? {} : { step }),
    ...(file.accepted === undefined || file.accepted.length === 0 ? {} : { accepted: file.accepted }),
    ...(changes.length === 0 ? {} : { providerChanges: changes.map(voidText) }),
  }
  const assessment = assess(input)
  if (!restsOnSources(input, assessment)) return { input, assessment, lane }
  const { breakers } = policy
  const sources = await told.sources({ ...place, candidate: composite, seqs: judged, breakers })
  const checked = { ...input, sources }
  const after = assess(checked)
  // Who told is part of the evidence where it decided something, and large: an advance that it speaks for needs it not.
  const decided = assessment.action === 'rollback' || after.verdicts.some(({ reason }) => reason === 'one_reporter')
  return decided ? { input: checked, assessment: after, lane } : { input, assessment, lane }
}

const probeNames = ({ probes = [] }: Policy): readonly string[] => probes.map(({ name }) => name)

/** A step that has units had applications that told of them, however long ago. */
const isSilent = (silence: Silence, { candidate, incumbent }: ArmUnits): boolean =>
  silence === 'recent' || (silence === 'long' && candidate + incumbent > 0)

/** They are frozen with the first step; every later one repeats them. */
const hasLimits = (entries: readonly Allocation[], { baseSeq }: LaneState): boolean =>
  entries.some(({ seq, thresholds }) => seq === baseSeq && thresholds !== undefined)

/** Only where the policy asks for it, and there was something before. */
async function looksBeforeAfter({ beforeAfter }: JudgeDeps, file: ReleaseFile, entries: readonly Allocation[]) {
  const { policy, plan, record } = file
  const incumbent = plan.lanes.at(-1)?.incumbent
  if (policy.beforeAfter === undefined || incumbent === undefined) return undefined
  const { metric } = policy.beforeAfter
  return beforeAfter.looks({ releaseId: record.id, candidate: plan.candidate, incumbent, metric, entries })
}

/** Provider changes since the release began, for as long as the suite was not run again since. */
async function voidingChanges(deps: JudgeDeps, { plan, record }: ReleaseFile, incumbent: Digest | undefined) {
  const { candidate, suite, policy } = plan
  const key = { candidate, suite, policy, ...(incumbent === undefined ? {} : { incumbent }) }
  const judges = await deps.evidence.judges(key)
  const composites = [candidate, ...(incumbent === undefined ? [] : [incumbent]), ...judges]
  const changes = await deps.providers.changes({ composites, since: record.createdAt })
  if (changes.length === 0) return []
  return (await deps.evidence.isVoid(key)) ? changes : []
}

/** The step whose entry is the base of the rollout lane; its evidence is bound to that entry and those repeating it. */
function stepInForce(
  file: ReleaseFile,
  lane: LaneState,
  entries: readonly Allocation[],
): Omit<NonNullable<AssessmentInput['step']>, 'units'> | undefined {
  if (lane.releaseId !== file.record.id || lane.baseCause !== 'step') return undefined
  const { environment, baseSeq, headSeq } = lane
  const name = entries.find(({ seq }) => seq === baseSeq)?.key.split('/')[1]
  const planned = file.plan.steps.find((step) => step.name === name)
  if (planned === undefined) return undefined
  const seqs = Array.from({ length: headSeq - baseSeq + 1 }, (_, index) => baseSeq + index)
  const bakeComplete = file.record.bakedSeq === baseSeq
  return { environment, seqs, minimumSample: planned.minimumSample, bakeComplete }
}
