import { decisionKinds } from '../../src/store/releases'
import { isFull } from '../support/effort'
import { type FaultGround, type FaultTask, faultGround, isEnded } from '../support/fault-ground'
import { groundAddress } from '../support/ground'

/** One boundary in each stage; the full list with `npm run test:fault`. */
const oneAStage = [
  'after planRelease',
  'before testRelease',
  'after smokeRelease',
  'after advanceRelease pilot',
  'before advanceRelease rollout-1',
  'before communicateRelease',
]
const activities = [
  'planRelease',
  'testRelease',
  'advanceRelease stage-staging',
  'smokeRelease',
  'advanceRelease pilot',
  'advanceRelease rollout-1',
  'advanceRelease rollout-2',
  'advanceRelease settle',
  'settleRelease',
  'communicateRelease',
  'closeRelease',
]
const everyBoundary = activities.flatMap((name) => [`before ${name}`, `after ${name}`])
const crashes = isFull ? everyBoundary : oneAStage
const atOnce = 3

/** What a release leaves behind, without what differs from run to run. */
async function traces(ground: FaultGround, task: string, releaseId: string) {
  const { store } = ground
  const plain = (text: string): string => text.replaceAll(releaseId, 'R')
  const lanes = await Promise.all(
    ['staging', 'production'].map(async (environment) => {
      await store.ledger.verify(environment, task)
      const entries = await store.ledger.entries(environment, task)
      return entries.map(({ seq, cause, key }) => `${environment} ${seq} ${cause} ${plain(key)}`)
    }),
  )
  // How many looks are kept between them depends on how often the safety clock came to look.
  const decisions = await store.releases.decisions(releaseId, { kinds: decisionKinds })
  await store.releases.verifyDecisions(releaseId)
  const messages = await store.outbox.list({ release: releaseId, limit: 100 })
  return {
    lanes,
    decisions: decisions.map(({ kind }) => kind),
    messages: messages.map(({ id, state }) => `${plain(id)} ${state}`).sort(),
  }
}

describe('the worker is killed', () => {
  let ground: FaultGround
  beforeAll(async () => {
    ground = await faultGround({
      mongodbUri: groundAddress('MONGODB_URI'),
      temporalAddress: groundAddress('TEMPORAL_ADDRESS'),
    })
    for (const tenant of ['acme', 'beta']) {
      await ground.store.tenants.put(tenant, { ring: 'pilot' }, { by: 'ann', reason: 'a test' })
    }
  })
  afterAll(() => ground.end())

  async function run(crashAt?: string) {
    const task: FaultTask = await ground.task()
    task.startWorker(crashAt === undefined ? {} : { crashAt })
    const { id } = await task.start('1.0.0')
    const record = await task.reaches(id, isEnded)
    await task.end()
    return { phase: record.phase, ...(await traces(ground, task.task, id)) }
  }

  test('at boundaries in every stage, and the end is the same as without', async () => {
    const expected = await run()
    expect(expected.phase).toBe('done')
    expect(expected.lanes.flat()).toHaveLength(6)
    expect(expected.messages).toHaveLength(2)
    const left = [...crashes]
    const outcomes = new Map<string, unknown>()
    const lane = async (): Promise<void> => {
      for (let crash = left.shift(); crash !== undefined; crash = left.shift()) outcomes.set(crash, await run(crash))
    }
    await Promise.all(Array.from({ length: atOnce }, lane))
    for (const crash of crashes) expect([crash, outcomes.get(crash)]).toEqual([crash, expected])
  }, 1_500_000)
})
