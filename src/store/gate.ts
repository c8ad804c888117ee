import type { ClientSession } from 'mongodb'
import type { EvidenceKey } from '../domain/evaluation'
import type { Policy } from '../domain/policy'
import { rolloutEnvironment } from '../domain/rollout'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from './catalog'
import type { DeployGate, DeployQuestion } from './ledger-requests'

/** The part of the evidence that the gate asks. */
export interface PassingEvidence {
  passing(key: EvidenceKey, session?: ClientSession): Promise<boolean>
}

/**
 * Deployable = a passing verdict on the task's *current* suite, under the release's policy, in comparison with the
 * incumbent of the lane that the release rolls out in. Asked inside the append, so a moved incumbent or a new suite
 * voids the evidence at once.
 */
export function createDeployGate(catalog: Pick<Catalog, 'task' | 'byDigest'>, evidence: PassingEvidence): DeployGate {
  return {
    async rolloutEnvironment(policy, environment) {
      const { content } = await catalog.byDigest('policy', policy)
      const { environments } = content as Policy
      if (!environments.includes(environment)) {
        throw new SluiceError('invalid_entry', `The policy crosses ${environments.join(', ')}, not ${environment}.`)
      }
      return rolloutEnvironment(content as Policy)
    },
    async assertDeployable(question, session) {
      const { suiteDigest } = await catalog.task(question.task, session)
      const { task: _task, ...pair } = question
      if (await evidence.passing({ ...pair, suite: suiteDigest }, session)) return
      throw undeployable(question, suiteDigest)
    },
  }
}

function undeployable(question: DeployQuestion, suite: Digest): SluiceError {
  const { task, candidate, incumbent } = question
  const against = incumbent === undefined ? '' : ` against the incumbent ${incumbent}`
  return new SluiceError(
    'undeployable',
    `${candidate} has no passing evidence for ${task} on its current suite ${suite}${against}. Run \`sluice eval run\` first.`,
    { candidate, incumbent, suite },
  )
}
