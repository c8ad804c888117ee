import type { Allocation } from '../domain/allocation'
import type { CaptureState } from '../domain/capture'
import type { Pin } from '../domain/composite'
import type { EvaluationVerdict } from '../domain/evaluation'
import { type Explanation, explain } from '../domain/explanation'
import type { ProviderChange } from '../domain/provider-change'
import type { TenantEntry } from '../domain/tenant'
import type { Digest } from '../domain/version'
import { assertNever, SluiceError } from '../errors'
import { defaultRequestDays, type LoggedRequest } from './request-log'
import type { Store } from './store'

/** Where an entry stands in its ledger's hash chain, which was computed again for this answer. */
export interface ChainPlace {
  readonly seq: number
  readonly hash: string
  readonly prev: string
  /** Entries of the whole ledger by now. */
  readonly length: number
  readonly holds: boolean
  readonly problem?: string
}

/** What the answer would hold if it were still there, and why it is not. */
export interface Missing {
  readonly what: 'composite' | 'content' | 'evidence' | 'input_and_output'
  /** The artifact, suite or request that it is about. */
  readonly of: string
  readonly why: string
}

/** What spoke for the composite. */
export interface EvidenceSeen {
  readonly verdict: EvaluationVerdict
  readonly verdictId: string
  readonly suite: Digest
  readonly at: number
}

/** Everything that log, ledgers and registry say about one served request. */
export interface ExplainedRequest extends Omit<Explanation, 'again'> {
  readonly logged: LoggedRequest
  /** Log and ledgers say the same, and the ledgers are unaltered. */
  readonly agrees: boolean
  /** What the ledgers serve; absent where they name no entry. */
  readonly again?:
    | { readonly composite: Digest; readonly arm: string; readonly reason: string }
    | { readonly skip: string }
  /** Roles of the composite; `valid`: its stored content has its digest. */
  readonly roles: readonly (Pin & { readonly role: string; readonly valid: boolean })[]
  readonly chains: { readonly lane?: ChainPlace; readonly tenant?: ChainPlace }
  readonly evidence: readonly EvidenceSeen[]
  /** Of the composite, the newest first. */
  readonly providerChanges: readonly ProviderChange[]
  readonly capture: CaptureState
  readonly missing: readonly Missing[]
}

const ledgerPage = 1_000
const maxLedgerPages = 100
const maxVerdicts = 5

/** Throws `not_found` where the log holds no such request, saying how far back it goes. */
export async function loggedRequest(store: Store, requestId: string): Promise<LoggedRequest> {
  const found = await store.telemetry.requests.find(requestId)
  if (found) return found
  const oldest = await store.telemetry.requests.oldestReceivedAt()
  const reach =
    oldest === undefined ? 'it is empty' : `its oldest row was received at ${new Date(oldest).toISOString()}`
  throw new SluiceError(
    'not_found',
    `No request ${requestId} is in the log: it was never reported, or its row expired, for rows are kept ${defaultRequestDays} days unless the policy of their task says otherwise, and ${reach}.`,
    { requestId, retentionDays: defaultRequestDays, ...(oldest === undefined ? {} : { oldestReceivedAt: oldest }) },
  )
}

/**
 * Why a request was served as it was: the log held against the ledgers as of the heads that it was served by, whatever the
 * registry did since. What is gone is named in `missing` and never makes the rest unanswerable.
 */
export async function explainRequest(store: Store, requestId: string): Promise<ExplainedRequest> {
  const logged = await loggedRequest(store, requestId)
  const { environment, task, tenant, composite } = logged
  const tenantEntries = await tenantLedger(store, logged)
  const entries = await laneLedger(store, logged, tenantEntries)
  const { supersedes } = await store.catalog.task(task)
  const explanation = explain(logged, { entries, tenantEntries, ...(supersedes === undefined ? {} : { supersedes }) })
  const missing: Missing[] = []
  const [lane, ofTenant, capture] = await Promise.all([
    explanation.entry && chainPlace(explanation.entry, () => store.ledger.verify(environment, task)),
    explanation.tenantEntry && chainPlace(explanation.tenantEntry, () => store.tenants.verify(tenant)),
    store.captures.state(logged),
  ])
  const roles = await rolesOf(store, composite, missing)
  const evidence = await evidenceOf(store, composite, missing)
  if (capture.state !== 'kept') missing.push({ what: 'input_and_output', of: requestId, why: captureText(capture) })
  const broken = [lane, ofTenant].flatMap((place) => (place?.problem === undefined ? [] : [place.problem]))
  const differences = [...explanation.differences, ...broken]
  const { again, ...rest } = explanation
  return {
    ...rest,
    logged,
    differences,
    agrees: differences.length === 0,
    ...(again === undefined ? {} : { again: 'skip' in again ? again : served(again) }),
    roles,
    chains: { ...(lane ? { lane } : {}), ...(ofTenant ? { tenant: ofTenant } : {}) },
    evidence,
    providerChanges: await store.providers.changes({ composites: [composite] }),
    capture,
    missing,
  }
}

const served = (again: { composite: { id: Digest }; arm: string; reason: string }) => ({
  composite: again.composite.id,
  arm: again.arm,
  reason: again.reason,
})

/** A pin and what revokes it may be older than the entry that the conversation is bound to. */
function firstSeqNeeded({ seq, environment, task }: LoggedRequest, tenantEntries: readonly TenantEntry[]): number {
  const pins = tenantEntries.flatMap(({ state }) => {
    const { override, optOut } = state.tasks[task] ?? {}
    return [override?.pins[environment], optOut?.[environment]].flatMap((pin) => pin?.head ?? [])
  })
  return Math.max(1, Math.min(seq, ...pins))
}

async function laneLedger(
  store: Store,
  logged: LoggedRequest,
  tenantEntries: readonly TenantEntry[],
): Promise<readonly Allocation[]> {
  const { environment, task, headSeq } = logged
  const entries: Allocation[] = []
  let from = firstSeqNeeded(logged, tenantEntries)
  for (let page = 0; page < maxLedgerPages && from <= headSeq; page += 1) {
    const found = await store.ledger.entries(environment, task, {
      from,
      limit: Math.min(ledgerPage, headSeq - from + 1),
    })
    entries.push(...found)
    if (found.length === 0) break
    from = (entries.at(-1)?.seq ?? from) + 1
  }
  return entries
}

/** One entry carries the whole state of its tenant, so the one that the request was resolved by is all there is to read. */
async function tenantLedger(store: Store, { tenant, tenantSeq }: LoggedRequest): Promise<readonly TenantEntry[]> {
  if (tenantSeq === 0) return []
  const entry = await store.tenants.entry(tenant, tenantSeq)
  return entry === undefined ? [] : [entry]
}

async function chainPlace(
  { seq, hash, prev }: { readonly seq: number; readonly hash: string; readonly prev: string },
  verify: () => Promise<{ readonly entries: number }>,
): Promise<ChainPlace> {
  try {
    const { entries } = await verify()
    return { seq, hash, prev, length: entries, holds: true }
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'chain_broken')) throw error
    return { seq, hash, prev, length: 0, holds: false, problem: error.message }
  }
}

async function rolesOf(store: Store, composite: Digest, missing: Missing[]): Promise<ExplainedRequest['roles']> {
  const verified = await orMissing(() => store.catalog.verifyComposite(composite, { rows: false }), missing, {
    what: 'composite',
    of: composite,
  })
  const roles = verified?.roles ?? []
  for (const { ref, kind, digest, valid } of roles) {
    if (valid) continue
    const found = await orMissing(() => store.catalog.byDigest(kind, digest), missing, { what: 'content', of: ref })
    if (found) missing.push({ what: 'content', of: ref, why: 'what is stored does not have the digest that is pinned' })
  }
  return roles
}

async function evidenceOf(store: Store, composite: Digest, missing: Missing[]): Promise<readonly EvidenceSeen[]> {
  const verdicts = await store.evidence.verdicts({ candidate: composite, limit: maxVerdicts })
  if (verdicts.length === 0) {
    const why = 'no verdict of any suite is stored for it as the candidate'
    missing.push({ what: 'evidence', of: composite, why })
  }
  for (const suite of new Set(verdicts.map((verdict) => verdict.suite))) {
    await orMissing(() => firstRow(store, suite), missing, { what: 'evidence', of: `the cases of ${suite}` })
  }
  return verdicts.map(({ id, verdict, suite, at }) => ({ verdictId: id, verdict, suite, at }))
}

async function firstRow(store: Store, suite: Digest): Promise<unknown> {
  const { dataset } = (await store.catalog.byDigest('suite', suite)).content as { readonly dataset: Digest }
  const { root } = (await store.catalog.byDigest('dataset', dataset)).content as { readonly root: Digest }
  for await (const { row } of store.catalog.rows(root)) return row
  return undefined
}

/** What is gone (never there, dropped by retention, altered) is told; what only does not answer now is thrown. */
export async function orMissing<T>(
  read: () => Promise<T>,
  missing: Missing[],
  { what, of }: Pick<Missing, 'what' | 'of'>,
): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.retryable) throw error
    missing.push({ what, of, why: `${error.code}: ${error.message}` })
    return undefined
  }
}

function captureText(state: Exclude<CaptureState, { state: 'kept' }>): string {
  switch (state.state) {
    case 'erased':
      return `erased at ${new Date(state.at).toISOString()} by ${state.by}: ${state.reason}`
    case 'expired':
      return `captured, and expired at ${new Date(state.expiresAt).toISOString()}`
    case 'none':
      return 'not captured: capture was off, the conversation was not sampled, or the application had to drop it'
    default:
      return assertNever(state)
  }
}
