import { type ReleaseGround, releaseGround } from '../support/release-ground'

describe('a release on the real servers', () => {
  let ground: ReleaseGround
  beforeAll(async () => {
    ground = await releaseGround()
  })
  afterAll(() => ground.end())

  test('the first one and a change go through every stage, and every chain verifies', async () => {
    await ground.settleFirst()
    const { id } = await ground.start(ground.request('1.1.0'))
    const record = await ground.ended(id)
    expect([record.phase, record.reason]).toEqual(['done', 'every step is done'])
    const entries = await ground.store.ledger.entries('production', ground.task)
    expect(entries.map((entry) => entry.cause)).toEqual(['settle', 'step', 'step', 'step', 'settle'])
    expect(entries.at(-1)?.incumbent).toBe(record.candidate)
    const staging = await ground.store.ledger.entries('staging', ground.task)
    expect(staging.map((entry) => entry.cause)).toEqual(['step', 'settle', 'step', 'settle'])
    await ground.store.ledger.verify('production', ground.task)
    await ground.store.ledger.verify('staging', ground.task)
    expect((await ground.store.releases.verifyDecisions(id)).decisions).toBeGreaterThan(6)
  }, 60_000)
})
