import type { ClientSession } from 'mongodb'
import type { EvidenceKey } from '../domain/evaluation'
import type { Policy } from '../domain/policy'
import type { ProviderChange } from '../domain/provider-change'
import { rolloutEnvironment } from '../domain/rollout'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from './catalog'
import type { DeployGate, DeployQuestion } from './ledger-requests'
import { type Providers, voidText } from './providers'

/** The part of the evidence that the gate asks. */
export interface PassingEvidence {
  passing(key: EvidenceKey, session?: ClientSession): Promise<boolean>
  isVoid(key: EvidenceKey, session?: ClientSession): Promise<boolean>
  judges(key: EvidenceKey, session?: ClientSession): Promise<readonly Digest[]>
}

/**
 * Deployable = a passing verdict on the task's *current* suite, under the release's policy, in comparison with the
 * incumbent of the lane that the release rolls out in. Asked inside the append, so a moved incumbent, a new suite or a
 * provider that changed voids the evidence at once.
 */
export function createDeployGate(
  catalog: Pick<Catalog, 'task' | 'byDigest' | 'diffComposites'>,
  evidence: PassingEvidence,
  providers: Pick<Providers, 'changes'>,
  holdContents: DeployGate['holdContents'],
): DeployGate {
  const breakingRoles = rememberedBreaking(catalog)
  const policyOf = async (digest: Digest): Promise<Policy> =>
    (await catalog.byDigest('policy', digest)).content as Policy
  return {
    holdContents,
    async rolloutEnvironment(policy, environment) {
      const content = await policyOf(policy)
      const { environments } = content
      if (!environments.includes(environment)) {
        throw new SluiceError('invalid_entry', `The policy crosses ${environments.join(', ')}, not ${environment}.`)
      }
      return rolloutEnvironment(content)
    },
    async assertDeployable(question, session) {
      const { suiteDigest } = await catalog.task(question.task, session)
      const { task: _task, ...pair } = question
      const key = { ...pair, suite: suiteDigest }
      if (await evidence.passing(key, session)) {
        // A measured shift fails the evidence itself; what breaks by its interface is asked here.
        const { incumbent, candidate, policy } = question
        const roles = incumbent === undefined ? [] : await breakingRoles(incumbent, candidate)
        if (roles.length === 0 || (await policyOf(policy)).exceptions.includes('breaking')) return
        throw changeBreaks(question, roles)
      }
      const { candidate, incumbent } = question
      const judges = await evidence.judges(key, session)
      const composites = [candidate, ...(incumbent === undefined ? [] : [incumbent]), ...judges]
      const [change] = (await evidence.isVoid(key, session)) ? await providers.changes({ composites }) : []
      throw undeployable(question, suiteDigest, change)
    },
  }
}

/** Pairs whose breaking roles are remembered: both composites are immutable, so the answer is the same for ever. */
const maxRememberedPairs = 1000

type BreakingRoles = (incumbent: Digest, candidate: Digest) => Promise<readonly string[]>

function rememberedBreaking(catalog: Pick<Catalog, 'diffComposites'>): BreakingRoles {
  const known = new Map<string, readonly string[]>()
  return async (incumbent, candidate) => {
    const pair = `${incumbent}/${candidate}`
    const found = known.get(pair)
    if (found !== undefined) return found
    const { roles } = await catalog.diffComposites(incumbent, candidate)
    const breaking = roles.filter(({ changeClass }) => changeClass === 'breaking').map(({ role }) => role)
    if (known.size >= maxRememberedPairs) known.clear()
    known.set(pair, breaking)
    return breaking
  }
}

function changeBreaks({ task, candidate, incumbent }: DeployQuestion, roles: readonly string[]): SluiceError {
  return new SluiceError(
    'change_breaks',
    `${candidate} breaks those who read ${task} (${roles.join(', ')}). Make it a new task (supersedes: ${task}), or name the exception \`breaking\` in the policy.`,
    { candidate, incumbent, roles },
  )
}

function undeployable(question: DeployQuestion, suite: Digest, change?: ProviderChange): SluiceError {
  const { task, candidate, incumbent } = question
  const against = incumbent === undefined ? '' : ` against the incumbent ${incumbent}`
  const since = change === undefined ? '' : ` since ${voidText(change)}`
  return new SluiceError(
    'undeployable',
    `${candidate} has no passing evidence for ${task} on its current suite ${suite}${against}${since}. Run \`sluice eval run\` first.`,
    { candidate, incumbent, suite, ...(change === undefined ? {} : { providerChange: change.id }) },
  )
}
