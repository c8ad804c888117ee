import type { KeyObject } from 'node:crypto'
import { Attendance, attendanceCollections } from './attendance'
import { type Backtests, createBacktests } from './backtests'
import { BeforeAfter, beforeAfterCollections } from './before-after'
import { captureCollections } from './capture-documents'
import { Captures } from './captures'
import { type Catalog, catalogCollections, createCatalog } from './catalog'
import { channelCollections } from './channels'
import { markCompositeUsed } from './composite-uses'
import { type Database, openDatabase } from './database'
import { createDiffer, type Differ } from './differ'
import { createEvaluationRuns, type EvaluationRuns, evaluationCollections } from './evaluations'
import { createEvidence, type Evidence, evidenceCollections } from './evidence'
import { createGarbage, type Garbage, garbageCollections } from './garbage'
import { createDeployGate } from './gate'
import { createIdempotencyStore, type IdempotencyStore, idempotencyCollections } from './idempotency'
import { createKeyStore, type KeyStore, keyCollections } from './keys'
import { createLeakage, type Leakage, leakageCollections } from './leakage'
import { createLeases, type Leases, leaseCollections } from './leases'
import { createLedger, type Ledger, ledgerCollections } from './ledger'
import { createLineage, type LineageStore } from './lineage'
import { liveJudgingCollections } from './live-judging'
import { migrate } from './migrations'
import { onceCollections } from './once'
import { createOutbox, type Outbox, outboxCollections } from './outbox'
import { createPlanner, type Planner } from './planner'
import { ProbeReadings, probeReadingCollections } from './probe-readings'
import { createPromotions, type Promotions } from './promotion'
import { Providers, providerCollections } from './providers'
import { createReleases, type Releases, releaseCollections } from './releases'
import { createReproductions, type Reproductions, reproductionCollections } from './reproductions'
import { createRescores, type Rescores, rescoreCollections } from './rescores'
import { Shadows, shadowCollections } from './shadows'
import { snapshotIndexes } from './snapshots'
import { createStandings, type Standings, standingIndexes } from './standing'
import { createTelemetry, type Telemetry, telemetryCollections } from './telemetry'
import { createTenants, type Tenants, tenantCollections } from './tenants'
import { trafficOf } from './traffic'
import { Vault } from './vault'

/** Every aggregate on one database. A store module adds its line here and its collections below. */
export interface Store {
  readonly database: Database
  readonly keys: KeyStore
  readonly leases: Leases
  readonly attendance: Attendance
  readonly catalog: Catalog
  readonly differ: Differ
  readonly idempotency: IdempotencyStore
  readonly ledger: Ledger
  readonly tenants: Tenants
  readonly releases: Releases
  readonly backtests: Backtests
  readonly shadows: Shadows
  readonly planner: Planner
  readonly evidence: Evidence
  readonly evaluations: EvaluationRuns
  readonly rescores: Rescores
  readonly leakage: Leakage
  readonly outbox: Outbox
  readonly telemetry: Telemetry
  readonly readings: ProbeReadings
  readonly beforeAfter: BeforeAfter
  readonly captures: Captures
  readonly providers: Providers
  readonly reproductions: Reproductions
  readonly garbage: Garbage
  readonly standings: Standings
  readonly lineage: LineageStore
  readonly promotions: Promotions
}

export interface StoreOptions {
  /** Master keys of captured content, the current one first; none: nothing can be captured. */
  readonly captureKeys?: readonly KeyObject[]
}

const collections = [
  ...keyCollections,
  ...leaseCollections,
  ...attendanceCollections,
  ...catalogCollections,
  ...idempotencyCollections,
  ...onceCollections,
  ...ledgerCollections,
  ...tenantCollections,
  ...releaseCollections,
  ...shadowCollections,
  ...evidenceCollections,
  ...evaluationCollections,
  ...rescoreCollections,
  ...leakageCollections,
  ...outboxCollections,
  ...channelCollections,
  ...telemetryCollections,
  ...snapshotIndexes,
  ...captureCollections,
  ...probeReadingCollections,
  ...beforeAfterCollections,
  ...liveJudgingCollections,
  ...providerCollections,
  ...reproductionCollections,
  ...standingIndexes,
  ...garbageCollections,
]

/** Connects, prepares what is stored (safe from several processes at once), and wires the aggregates. */
export async function openStore(uri: string, name: string, options: StoreOptions = {}): Promise<Store> {
  const database = await openDatabase(uri, name)
  await database.prepare(collections)
  await migrate(database)
  return storeOn(database, options)
}

/** The aggregates on a database as it is: creates nothing, for who only looks. */
export function storeOn(database: Database, options: StoreOptions = {}): Store {
  const catalog = createCatalog(database)
  const providers = new Providers(database)
  const evidence = createEvidence(database, providers)
  const telemetry = createTelemetry(database, providers)
  const gate = createDeployGate(catalog, evidence, providers, (id, session) => markCompositeUsed(database, id, session))
  const standings = createStandings(database, providers)
  const ledger = createLedger(database, gate)
  const tenants = createTenants(database, ledger, gate)
  const releases = createReleases(database)
  const traffic = (environment: string, task: string) => trafficOf(telemetry, environment, task)
  return {
    database,
    keys: createKeyStore(database),
    leases: createLeases(database),
    attendance: new Attendance(database),
    catalog,
    differ: createDiffer({ database, catalog, evidence, tenants }),
    idempotency: createIdempotencyStore(database),
    ledger,
    tenants,
    releases,
    backtests: createBacktests({ catalog, releases }),
    shadows: new Shadows(database, gate),
    planner: createPlanner({ catalog, ledger, tenants, traffic, read: telemetry.read }),
    evidence,
    evaluations: createEvaluationRuns(database),
    rescores: createRescores(database),
    leakage: createLeakage(database, catalog),
    outbox: createOutbox(database),
    telemetry,
    readings: new ProbeReadings(database),
    beforeAfter: new BeforeAfter(database),
    captures: new Captures(database, new Vault(options.captureKeys ?? [])),
    providers,
    reproductions: createReproductions(database),
    garbage: createGarbage(database),
    standings,
    lineage: createLineage(database, standings),
    promotions: createPromotions({ database, catalog, standings }),
  }
}
