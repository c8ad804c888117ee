import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCommunicateActivities } from '../../activities/communicate'
import { createNoteSource } from '../../activities/note-source'
import type { Digest } from '../../src/domain/version'
import { openRelease } from '../../src/store/assessor'
import type { OutboxMessage } from '../../src/store/outbox'
import { engineContent, registration } from '../support/contents'
import { author, type LaneGround, laneGround, production, refusal } from '../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'

const tenant = 'acme'
const moved = {
  role: 'prompt',
  kind: 'prompt',
  from: 'prompt/mood-0@1.0.0',
  to: 'prompt/mood-1@1.0.0',
  class: 'shifting',
  changes: [],
} as const

describe('a retraction goes where the note went', () => {
  let ground: LaneGround
  let policy: Digest
  let folder: string
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'crossing')
    folder = await mkdtemp(join(tmpdir(), 'retracted-'))
    await ground.store.tenants.put(tenant, { ring: 'early' }, author)
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
    await ground.end()
  })

  const notes = () =>
    createCommunicateActivities({ store: ground.store, notesFolder: folder, source: createNoteSource(ground.store) })
  const deliver = ({ id }: TestRelease) => notes().deliverNotes({ releaseId: id })
  const write = ({ id }: TestRelease) => notes().enqueueNotes({ releaseId: id, kind: 'release' })
  async function settled(): Promise<TestRelease> {
    const { releases } = ground.store
    const release = await plannedRelease(ground, policy)
    const { plan } = await openRelease(ground.store, release.id)
    const told = await releases.putPlan({ ...plan, changes: [moved], changeClass: 'shifting' })
    await releases.update(release.id, { plan: told })
    for (const [step, from] of [[0], [1, 0], ['settle', 1]] as const) await release.advance(step, from)
    return release
  }
  /** Settled and told. */
  async function announced(): Promise<TestRelease> {
    const release = await settled()
    await write(release)
    await deliver(release)
    return release
  }
  async function takeBack(release: TestRelease) {
    await release.withdraw()
    return notes().enqueueNotes({ releaseId: release.id, kind: 'retraction' })
  }
  const messages = ({ id }: TestRelease) => ground.store.outbox.list({ release: id, tenant })
  async function retraction(release: TestRelease): Promise<OutboxMessage> {
    const found = (await messages(release)).find(({ kind }) => kind === 'retraction')
    if (found === undefined) throw new Error('there is no retraction')
    return found
  }
  const states = async (release: TestRelease) =>
    Object.fromEntries((await messages(release)).map(({ kind, state }) => [kind, state]))

  it('also where the tenant left the task since', async () => {
    const release = await announced()
    await ground.store.tenants.setRuns(tenant, release.lane.task, false, author)
    await takeBack(release)
    expect(await states(release)).toEqual({ release: 'delivered', retraction: 'pending' })
    expect((await retraction(release)).data.audience).toEqual({ kind: 'affected' })
  })

  it('so that a note to a tenant that left is not delivered after the rollback', async () => {
    const release = await settled()
    await write(release)
    await ground.store.tenants.setRuns(tenant, release.lane.task, false, author)
    expect(await takeBack(release)).toMatchObject({ enqueued: 0 })
    await deliver(release)
    expect(await states(release)).toEqual({ release: 'cancelled' })
  })

  it('also through a channel that was disabled since, whose dead letters are then sent no more', async () => {
    const { channels } = ground.store.outbox
    const hook = { name: 'hook', type: 'webhook', tenant, options: { url: 'http://127.0.0.1:1/' } } as const
    await channels.put(hook, 'ann')
    const release = await settled()
    await write(release)
    await channels.put({ ...hook, enabled: false }, 'ann')
    await deliver(release)
    const id = `${release.id}/release/${tenant}/hook`
    expect((await messages(release)).find((message) => message.id === id)?.state).toBe('dead')
    await takeBack(release)
    const again = ground.store.outbox.resend(id, 'ann', await ground.store.database.now())
    expect((await refusal(again)).code).toBe('not_dead_letter')
  })

  it('as what was told, where the tenant opted out since', async () => {
    const release = await announced()
    await ground.store.tenants.optOut(tenant, release.lane.task, author)
    await takeBack(release)
    const { data, markdown } = await retraction(release)
    expect(data.audience).toEqual({ kind: 'affected' })
    expect(markdown).not.toContain('never got it')
  })

  it('as to one that had the change, where the tenant gave up its opt-out since', async () => {
    const release = await settled()
    await ground.store.tenants.optOut(tenant, release.lane.task, author)
    await write(release)
    await deliver(release)
    await ground.store.tenants.reset(tenant, release.lane.task, author)
    await takeBack(release)
    const [note] = await messages(release)
    expect([note?.data.audience.kind, (await retraction(release)).data.audience.kind]).toEqual([
      'opted_out',
      'affected',
    ])
  })

  it('and says so where an override made since holds what was taken back', async () => {
    const { catalog, tenants } = ground.store
    const release = await announced()
    await catalog.register(registration('engine/own@1.0.0', { ...engineContent, model: 'own' }))
    const own = (await catalog.commitComposite({ prompt: moved.to, engine: 'engine/own@1.0.0' })).id
    await ground.judge(own, release.candidate, { policy })
    const order = { tenant, task: release.lane.task, base: release.candidate, composite: own, policy }
    await tenants.override(order, author)
    await takeBack(release)
    const { data, markdown } = await retraction(release)
    expect(data).toMatchObject({ held: [{ role: 'prompt', own: moved.to }] })
    expect(data.actions[0]).toMatch(/^Rebase your override/)
    expect(markdown).not.toMatch(/never got it|does not affect you/)
    expect((await release.lane.state(production)).incumbent).not.toBe(release.candidate)
  })

  it('once, however often it is tried, and keeps out notes that are written late', async () => {
    const release = await announced()
    await takeBack(release)
    const before = await messages(release)
    expect(await takeBack(release)).toEqual({ enqueued: 0, cancelled: 0 })
    expect(await messages(release)).toEqual(before)
    const late = await settled()
    await takeBack(late)
    expect(await write(late)).toEqual({ enqueued: 0, cancelled: 0 })
    expect(await states(late)).toEqual({ release: 'cancelled' })
  })
})
