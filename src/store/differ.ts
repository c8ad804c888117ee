import type { ServedComposite } from '../domain/composite'
import type { CompositeDiff, RoleDiff } from '../domain/diff'
import type { CompositeReport, Measured, RoleReport, Suggestion, VersionReport } from '../domain/diff-report'
import type { Verdict } from '../domain/evaluation'
import { largestShift } from '../domain/output-shift'
import { highestClass, planRisk, type Risk } from '../domain/plan'
import type { Policy } from '../domain/policy'
import { parseRef } from '../domain/ref'
import { type Bump, bumpOf, highestBump, nextLabel } from '../domain/semver-class'
import type { ChangeClass, Digest, KindName } from '../domain/version'
import { kindOf } from '../kinds'
import type { Catalog } from './catalog'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import { dependentsOf } from './dependents'
import type { Evidence } from './evidence'
import type { Tenants } from './tenants'
import type { VersionDocument } from './version-documents'
import { maxVersions } from './version-view'

export interface DifferDeps {
  readonly database: Database
  readonly catalog: Catalog
  readonly evidence: Evidence
  readonly tenants: Tenants
}

/** What changed between two versions or composites, what it means, and who depends on the earlier one. Only reads. */
export interface Differ {
  /** Of one kind. Throws unknown_ref, malformed_ref, invalid_request. */
  versions(from: string, to: string): Promise<VersionReport>
  /** Throws not_found. */
  composites(from: Digest, to: Digest): Promise<CompositeReport>
}

const maxTouched = 10_000

export function createDiffer(deps: DifferDeps): Differ {
  return {
    versions: (from, to) => versionReport(deps, from, to),
    composites: (from, to) => compositeReport(deps, from, to),
  }
}

async function versionReport(deps: DifferDeps, from: string, to: string): Promise<VersionReport> {
  const diff = await deps.catalog.diff(from, to)
  const [before, after] = [await deps.catalog.version(diff.from), await deps.catalog.version(diff.to)]
  const composites = deps.database.collection<CompositeDocument>('composites')
  const touching = composites.find({ closure: before.digest }, { projection: { _id: 1 } }).limit(maxTouched)
  const found = diff.changes.length === 0 ? [] : await touching.toArray()
  return {
    ...diff,
    kind: before.kind,
    suggested: await suggestion(deps, diff, before.interface !== after.interface),
    dependents: await dependentsOf(deps, {
      artifacts: diff.changes.length === 0 ? [] : [`${before.kind}/${before.name}`],
      composites: new Set(found.map(({ _id }) => _id)),
      changes: diff.changes,
      readers: [],
    }),
  }
}

async function compositeReport(deps: DifferDeps, from: Digest, to: Digest): Promise<CompositeReport> {
  const diff = await deps.catalog.diffComposites(from, to)
  const after = await deps.catalog.composite(to)
  const roles: RoleReport[] = []
  for (const role of diff.roles) roles.push({ ...role, suggested: await roleSuggestion(deps, role) })
  const measured = await measuredShift(deps, from, to)
  const shifting = measured.state === 'measured' && measured.shifting && !measured.void
  const changes = roles.flatMap((role) => role.changes)
  return {
    from,
    to,
    changeClass: highestClass([diff.changeClass, shifting && roles.length > 0 ? 'shifting' : 'none']),
    ...(roles.length === 0 ? {} : { risk: riskOf(diff) }),
    roles,
    measured,
    suggested: { bump: highestBump(roles.map(({ suggested }) => suggested.bump)) },
    dependents: await dependentsOf(deps, {
      artifacts: roles.flatMap(({ from: ref }) => (ref === undefined ? [] : [ref.slice(0, ref.lastIndexOf('@'))])),
      composites: new Set(roles.length === 0 ? [] : [from]),
      changes,
      readers: readersOf(after),
    }),
  }
}

const readersOf = ({ roles }: ServedComposite) => Object.values(roles).map(({ kind, digest }) => ({ kind, digest }))

function riskOf({ roles }: CompositeDiff): Risk {
  return planRisk(
    roles.flatMap(({ kind }) => {
      const { changeType } = kindOf(kind)
      return changeType === 'test' ? [] : [changeType]
    }),
  )
}

async function roleSuggestion(deps: DifferDeps, role: RoleDiff): Promise<Suggestion> {
  const { from, to, changeClass } = role
  if (from === undefined || to === undefined) return { bump: 'major' }
  const interfaces = await Promise.all([from, to].map(async (ref) => (await deps.catalog.version(ref)).interface))
  return suggestion(deps, { from, to, changeClass }, interfaces[0] !== interfaces[1])
}

interface Ends {
  readonly from: string
  readonly to: string
  readonly changeClass: ChangeClass
}

/** The next free label of the artifact that both are versions of. */
async function suggestion(deps: DifferDeps, ends: Ends, interfaceMoved: boolean): Promise<Suggestion> {
  const bump: Bump = bumpOf(ends.changeClass, interfaceMoved)
  const [before, after] = [parseRef(ends.from), parseRef(ends.to)]
  if (bump === 'none' || before.kind !== after.kind || before.name !== after.name) return { bump }
  return { bump, label: nextLabel(bump, before.version, await labelsOf(deps.database, before.kind, before.name)) }
}

async function labelsOf(database: Database, kind: KindName, name: string): Promise<readonly string[]> {
  const found = database.collection<VersionDocument>('versions').find({ kind, name }, { projection: { semver: 1 } })
  return (await found.limit(maxVersions).toArray()).map(({ semver }) => semver)
}

/** The newest verdict that compared exactly these two, if there is one. */
async function measuredShift({ catalog, evidence }: DifferDeps, from: Digest, to: Digest): Promise<Measured> {
  const [verdict] = await evidence.verdicts({ candidate: to, incumbent: from, limit: 1 })
  if (verdict?.report.comparison === undefined) return { state: 'not_measured' }
  const { content } = await catalog.byDigest('policy', verdict.policy)
  const shift = shiftOf(verdict, (content as Policy).test.shiftMargin)
  const { shifting, suite, policy, evaluationId, at } = verdict
  const isVoid = await evidence.isVoid(verdict)
  return {
    state: 'measured',
    ...{ shifting, verdict: verdict.verdict, suite, policy, evaluationId, at, void: isVoid },
    ...(shift === undefined ? {} : { shift }),
  }
}

function shiftOf({ report }: Verdict, margin: number) {
  const largest = report.comparison && largestShift(report.comparison.shifts)
  return largest && { field: largest.field, changedShare: largest.changedShare, margin }
}
