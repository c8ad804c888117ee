import type { Plan } from '../src/domain/plan'
import type { Policy, ShadowPolicy } from '../src/domain/policy'
import { rolloutEnvironment } from '../src/domain/rollout'
import { judgeShadow, type ShadowJudgement } from '../src/domain/shadow-judgement'
import { formatUsd } from '../src/domain/verdict-text'
import { assertNever, SluiceError } from '../src/errors'
import { openRelease, type ReleaseFile } from '../src/store/assessor'
import type { ShadowDocument } from '../src/store/shadows'
import type { Store } from '../src/store/store'
import { assertOpen } from '../src/store/withdrawal'
import type { ShadowOutcome } from '../workflows/messages'
import { assertAttended, assertWatched, notYet } from './advance'

type Shadowed = Policy & { readonly shadow: ShadowPolicy }

/** A candidate is compared with what serves: without an incumbent there is nothing to copy. */
export const hasShadow = ({ lanes }: Plan, policy: Policy): policy is Shadowed =>
  policy.shadow !== undefined && lanes.at(-1)?.incumbent !== undefined

/**
 * Opens the shadow, waits for its pairs, and says once what follows. Waiting is a retry, as for a step. The decision comes
 * before the end of the shadow, and an attempt that comes again does what is left.
 */
export async function shadowRelease(store: Store, releaseId: string): Promise<ShadowOutcome> {
  const file = await openRelease(store, releaseId)
  const [made] = await store.releases.decisions(releaseId, { kinds: ['shadow'], limit: 1 })
  if (made !== undefined) {
    await store.shadows.end(releaseId)
    return (made.evidence as { outcome: ShadowOutcome }).outcome
  }
  const { policy } = file
  if (!hasShadow(file.plan, policy)) throw new SluiceError('invalid_request', `${releaseId} has no shadow.`)
  // Where nothing serves nothing is copied, and its time would run out.
  if ((await store.ledger.lane(rolloutEnvironment(policy), file.plan.task)).disabled) {
    await store.shadows.end(releaseId)
    return { kind: 'disabled' }
  }
  const shadow = await opened(store, file)
  if ('kind' in shadow) return shadow
  const judgement = judgeShadow(policy, await store.shadows.units(releaseId))
  const outcome = outcomeOf(policy.shadow, judgement, shadow, await store.database.now())
  if (outcome === undefined) throw notYet([`${judgement.units} of ${policy.shadow.minimumSample} shadow conversations`])
  // Harm needs no more pairs; whatever else it says, it says of all that applications have.
  if (outcome.kind !== 'fail') await assertAttended(store)
  const usd = await store.shadows.spent(releaseId)
  const examples = await examplesOf(store, shadow, judgement)
  const { verdicts, units, pairs } = judgement
  const evidence = { outcome, verdicts, units, pairs, usd, ...(examples.length === 0 ? {} : { examples }) }
  const cost = `${pairs} requests answered twice for ${formatUsd(usd)}`
  const draft = { releaseId, kind: 'shadow' as const, by: 'sluice', reason: `${outcome.reason} (${cost})`, evidence }
  const decided = await store.releases.decideOnce(draft)
  await store.shadows.end(releaseId)
  return (decided.evidence as { outcome: ShadowOutcome }).outcome
}

type Refused = Extract<ShadowOutcome, { kind: 'refused' }>
type Judged = Exclude<ShadowOutcome, Refused | { kind: 'disabled' }>

async function opened(store: Store, file: ReleaseFile): Promise<ShadowDocument | Refused> {
  const { id } = file.record
  const known = await store.shadows.find(id)
  if (known !== undefined) return known
  await assertWatched(store, file)
  try {
    return await store.database.transact(async (session) => {
      await assertOpen(store, id, session)
      await store.releases.update(id, { stage: 'stage', phase: 'running' }, session)
      return store.shadows.open(file, session)
    })
  } catch (error) {
    if (!(error instanceof SluiceError) || error.retryable) throw error
    // The suite is run again by a person while the shadow waits, as a step would.
    if (error.code === 'undeployable' && error.details.providerChange !== undefined) {
      throw notYet(['evidence since the provider change'])
    }
    return { kind: 'refused', code: error.code, message: error.message }
  }
}

/** Undefined: not yet. Harm ends it at any sample; a pass needs the sample and the bake. */
function outcomeOf(
  policy: ShadowPolicy,
  { verdict, units, reasons }: ShadowJudgement,
  { at, until }: ShadowDocument,
  now: number,
): Judged | undefined {
  const reason = reasons.join('; ')
  const isBaked = now >= at + policy.bakeMs
  switch (verdict) {
    case 'fail':
      return { kind: 'fail', reason }
    case 'different':
      return units >= policy.minimumSample && isBaked
        ? { kind: 'pause', reason }
        : overdue(policy, reason, now >= until)
    case 'waiting':
      return overdue(policy, reason, now >= until)
    case 'pass':
      return isBaked ? { kind: 'pass', reason: `no harm in ${units} conversations` } : undefined
    default:
      return assertNever(verdict)
  }
}

/** Applications that only `resolve` and `report` cannot answer copies: that is why no pairs may come at all. */
function overdue(policy: ShadowPolicy, reason: string, isOver: boolean): Judged | undefined {
  if (!isOver) return undefined
  const why = `no evidence: ${reason}; pairs come from applications that call \`run\``
  switch (policy.noEvidence) {
    case 'go_on':
      return { kind: 'go_on', reason: why }
    case 'pause':
      return { kind: 'pause', reason: why }
    case 'rollback':
      return { kind: 'withdraw', reason: why }
    default:
      return assertNever(policy.noEvidence)
  }
}

/** Requests to look at, where their contents may be looked at. */
async function examplesOf(store: Store, { environment, task, releaseId }: ShadowDocument, judgement: ShadowJudgement) {
  if (judgement.verdict !== 'different') return []
  const captured = await store.captures.policies(environment)
  const isOn = captured.some((policy) => policy.task === task && policy.basisPoints > 0)
  return isOn ? store.shadows.differing(releaseId) : []
}
