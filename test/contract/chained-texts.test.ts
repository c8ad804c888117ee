import { openRelease } from '../../src/store/assessor'
import { withdraw } from '../../src/store/withdrawal'
import { readCommandPayload } from '../../workflows/messages'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'

const half = '\ud83d'

let ground: LaneGround
let release: TestRelease

beforeAll(async () => {
  ground = await laneGround()
})

beforeEach(async () => {
  release = await plannedRelease(ground, await crossingPolicy(ground, 'crossing'))
  for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
})

afterAll(() => ground.end())

async function withdrawnFor(by: string, reason: string): Promise<void> {
  await withdraw(ground.store, await openRelease(ground.store, release.id), { by, reason, penalise: true })
}

async function verify(): Promise<void> {
  for (const environment of ['staging', production]) await release.lane.verify(environment)
  await ground.store.releases.verifyDecisions(release.id)
}

describe('what is chained is what is stored', () => {
  it('where the bound of a command falls into an emoji', async () => {
    const told = readCommandPayload({ by: 'ann', reason: `${'x'.repeat(1_999)}😀 and more` })
    expect(told).toEqual({ by: 'ann', reason: 'x'.repeat(1_999) })
    await withdrawnFor(told?.by ?? '', told?.reason ?? '')
    await verify()
  })

  it('where half an emoji comes by another way, as text, member or name', async () => {
    await withdrawnFor(`ann${half}`, `why ${half}`)
    const evidence = { [half]: [half, { note: half }] }
    await ground.store.releases.decide({ releaseId: release.id, kind: 'pause', by: half, reason: half, evidence })
    await verify()
    const made = await ground.store.releases.lastDecision(release.id, 'pause')
    expect(made).toMatchObject({
      by: '\ufffd',
      reason: '\ufffd',
      evidence: { '\ufffd': ['\ufffd', { note: '\ufffd' }] },
    })
  })

  it('where a lane is turned off and a tenant is changed', async () => {
    const { lane } = release
    const { store } = ground
    const place = { environment: production, task: lane.task, key: `${release.id}/flag` }
    await store.ledger.setDisabled({ ...place, disabled: true, by: 'ann', reason: half })
    await store.tenants.put('acme', { ring: 'early' }, { by: 'ann', reason: half })
    await store.tenants.put('acme', { ring: 'general' }, { by: half, reason: 'back' })
    await verify()
    expect(await store.tenants.verify('acme')).toEqual({ entries: 2 })
  })
})
