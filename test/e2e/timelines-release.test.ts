import { rollbackLane } from '../../src/api/release-commands'
import type { Allocation } from '../../src/domain/allocation'
import { liftAll } from '../support/lift'
import { type ReleaseGround, releaseGround } from '../support/release-ground'

const long = 3_600_000

let ground: ReleaseGround
beforeAll(async () => {
  ground = await releaseGround()
})
afterAll(() => ground.end())

const entries = (environment: string, from = 1) => ground.store.ledger.entries(environment, ground.task, { from })
const lane = (environment: string) => ground.store.ledger.lane(environment, ground.task)
const rollback = (reason: string) =>
  rollbackLane(ground, { environment: 'production', task: ground.task, by: 'ann', reason })
const brief = ({ key, cause, by }: Allocation) => ({ key, cause, by })

/** Everything that a rollback left closed is opened by hand, as a person would. */
async function reopen(): Promise<void> {
  const { ledger } = ground.store
  for (const environment of ['staging', 'production']) {
    const { disabled } = await lane(environment)
    const place = { environment, task: ground.task }
    await liftAll(ledger, environment, ground.task)
    const order = { ...place, key: `reopen-${environment}/enable`, disabled: false, by: 'ann', reason: 'fixed' }
    if (disabled) await ledger.setDisabled(order)
  }
}

describe('the ledgers of a task whose releases are withdrawn', () => {
  let policy: string
  beforeAll(async () => {
    policy = await ground.policy('slow', {
      pilot: { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 0, minimumSample: 0 },
      steps: [{ basisPoints: 5_000, bakeMs: long, minimumSample: 10 }],
    })
  })

  test('rule 4: the first release fails: one entry a lane disables the task, and a start is refused until it is enabled', async () => {
    const { id } = await ground.start(ground.request('1.0.0', policy))
    const { candidate } = await ground.reaches(id, (record) => record.step === 'rollout-1')
    await rollback('it insults customers')
    const record = await ground.ended(id)
    expect([record.phase, record.reason]).toEqual(['rolled_back', 'it insults customers'])
    const production = await entries('production')
    expect(production.map(brief)).toEqual([
      { key: `${id}/pilot/append`, cause: 'step', by: 'sluice' },
      { key: `${id}/rollout-1/append`, cause: 'step', by: 'sluice' },
      { key: `${id}/rollback`, cause: 'rollback', by: 'ann' },
    ])
    const last = production.at(-1)
    expect(last).toMatchObject({ disabled: true, revokes: [candidate], exposure: [] })
    expect(last?.incumbent).toBeUndefined()
    expect((await entries('staging')).map(brief)).toEqual([
      { key: `${id}/stage-staging/append`, cause: 'step', by: 'sluice' },
      { key: `${id}/rollback`, cause: 'rollback', by: 'ann' },
    ])
    for (const environment of ['staging', 'production']) {
      expect(await lane(environment)).toMatchObject({
        disabled: true,
        settled: [],
        hold: { by: 'ann' },
        vetoes: [{ composite: candidate }],
      })
      await ground.store.ledger.verify(environment, ground.task)
    }
    await expect(ground.start(ground.request('1.0.0', policy))).rejects.toMatchObject({ code: 'lane_disabled' })
    await reopen()
  })

  test('rule 5: `sluice rollback` while a release runs: its own key in every lane it wrote, and the incumbents as they were', async () => {
    await ground.settleFirst()
    const before = { staging: await lane('staging'), production: await lane('production') }
    const { id } = await ground.start(ground.request('1.1.0', policy))
    const { candidate } = await ground.reaches(id, (record) => record.step === 'rollout-1')
    expect(await rollback('customers complain')).toMatchObject({ release: id })
    expect((await ground.ended(id)).phase).toBe('rolled_back')
    for (const environment of ['staging', 'production'] as const) {
      const written = await entries(environment, before[environment].headSeq + 1)
      const steps = environment === 'staging' ? ['stage-staging'] : ['pilot', 'rollout-1']
      expect(written.map(({ key }) => key)).toEqual([...steps.map((step) => `${id}/${step}/append`), `${id}/rollback`])
      const { incumbent, settled } = before[environment]
      expect(written.at(-1)).toMatchObject({
        cause: 'rollback',
        by: 'ann',
        incumbent,
        revokes: [candidate],
        exposure: [],
      })
      const after = await lane(environment)
      expect(after).toMatchObject({ incumbent, settled, disabled: false, hold: { reason: 'customers complain' } })
      expect(after.candidate).toBeUndefined()
      expect(after.vetoes.map(({ composite }) => composite)).toEqual([candidate])
      await ground.store.ledger.verify(environment, ground.task)
    }
    const decisions = await ground.store.releases.decisions(id)
    expect(decisions.filter(({ kind }) => kind === 'rollback')).toHaveLength(1)
    await expect(ground.start(ground.request('1.1.0', policy))).rejects.toMatchObject({ code: 'lane_held' })
    await reopen()
  })

  test('settled stack: two rollbacks in a row after two releases walk back, then there is no previous', async () => {
    const first = (await lane('production')).incumbent
    const done: string[] = []
    for (const prompt of ['1.1.0', '1.2.0']) {
      const immediate = await ground.policy(`at-once-${prompt}`, { pilot: undefined as never, steps: [] })
      const { id } = await ground.start(ground.request(prompt, immediate))
      const record = await ground.ended(id)
      expect(record.phase).toBe('done')
      done.push(record.candidate ?? '')
    }
    expect((await lane('production')).settled).toEqual([first, ...done])
    expect((await rollback('worse')).incumbent).toBe(done[0])
    expect((await rollback('worse still')).incumbent).toBe(first)
    await expect(rollback('nothing left')).rejects.toMatchObject({ code: 'no_previous' })
    const [one, two] = (await entries('production')).slice(-2)
    expect([one?.revokes, two?.revokes]).toEqual([[done[1]], [done[0]]])
    expect((await lane('production')).vetoes.map(({ composite }) => composite)).toEqual([done[1], done[0]])
    await ground.store.ledger.verify('production', ground.task)
  })

  test('a version that staging serves already is released to production without a step there', async () => {
    await reopen()
    const staging = await lane('staging')
    expect(staging.incumbent).not.toBe((await lane('production')).incumbent)
    const { id } = await ground.start(ground.request('1.2.0'))
    const record = await ground.ended(id)
    expect([record.phase, record.candidate]).toEqual(['done', staging.incumbent])
    expect((await lane('production')).incumbent).toBe(staging.incumbent)
    expect((await lane('staging')).headSeq).toBe(staging.headSeq)
  })
})
