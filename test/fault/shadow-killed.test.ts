import { type FaultGround, faultGround, isEnded } from '../support/fault-ground'
import { groundAddress } from '../support/ground'
import { quickPolicy } from '../support/release-ground'
import { shadowPairs } from '../support/shadow-pairs'
import { until } from '../support/until'

const sample = 20
const whileWaiting = 'while it waits'

describe('the worker is killed in the shadow of a release', () => {
  let ground: FaultGround
  beforeAll(async () => {
    ground = await faultGround({
      mongodbUri: groundAddress('MONGODB_URI'),
      temporalAddress: groundAddress('TEMPORAL_ADDRESS'),
    })
    const content = {
      ...quickPolicy,
      shadow: {
        ...{ basisPoints: 10_000, minimumSample: sample, bakeMs: 0, deadlineMs: 3_600_000, usdPerHour: 100 },
        guardrails: [{ metric: 'error_rate', role: 'rollback', margin: 0.25 }],
        noEvidence: 'rollback',
      },
      pilot: undefined,
      steps: [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 0 }],
    }
    await ground.store.catalog.register({
      ...{ kind: 'policy', name: 'shadowed', semver: '1.0.0', author: 'ann', description: 'for a test' },
      content: JSON.parse(JSON.stringify(content)),
    })
  })
  afterAll(() => ground.end())

  /** Kills it there, while pairs come before and after; what the release then leaves behind. */
  async function run(crashAt: string) {
    const task = await ground.task()
    task.startWorker({ crashAt })
    // Without an incumbent there is no shadow, so the first release dies nowhere.
    const before = await task.start('1.0.0')
    await task.reaches(before.id, isEnded)
    const { id } = await task.start('1.1.0', 'shadowed@1.0.0')
    await until('the shadow is open', async () => (await ground.store.shadows.find(id)) !== undefined)
    const tell = (count: number) =>
      ground.store.shadows.take('production', shadowPairs(count, { releaseId: id, task: task.task }), 'app')
    const first = await tell(sample - 1)
    if (crashAt === whileWaiting) {
      await task.killWorker()
      task.startWorker()
    }
    const second = await tell(sample)
    const { phase } = await task.reaches(id, isEnded)
    const decisions = await ground.store.releases.decisions(id, { kinds: ['shadow'] })
    await ground.store.releases.verifyDecisions(id)
    await ground.store.ledger.verify('production', task.task)
    const shadow = await ground.store.shadows.find(id)
    await task.end()
    return { taken: [first.taken, second.taken], phase, decisions, shadow }
  }

  test('the pairs still count, and it is decided once', async () => {
    const crashes = ['before shadowRelease', whileWaiting, 'after shadowRelease']
    // Together, since each mostly waits for time-outs of the dead.
    const outcomes = await Promise.all(crashes.map(run))
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        taken: [sample - 1, 1],
        phase: 'done',
        decisions: [{ evidence: { outcome: { kind: 'pass' }, units: sample } }],
        shadow: undefined,
      })
    }
  }, 240_000)
})
