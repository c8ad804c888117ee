import { connect } from '../../src/sdk'
import { type CliGround, cliGround } from '../support/cli-ground'
import { tamperWithRequest } from '../support/logged-requests'
import { until } from '../support/until'

interface Finding {
  readonly level: 'ok' | 'look' | 'wrong'
  readonly about: string
  readonly text: string
  readonly remedy?: string
}

describe('what surrounds releases, by command line', () => {
  let ground: CliGround
  beforeAll(async () => {
    ground = await cliGround()
    await ground.settleFirst()
  })
  afterAll(() => ground.end())

  const tenant = (...args: readonly string[]) => ground.sluice('tenant', ...args)

  describe('tenants', () => {
    it('opts one out, lists it, and resets it once', async () => {
      await ground.store.tenants.put('acme', { ring: 'pilot', region: 'eu-west' }, { by: 'ann', reason: 'signed' })
      await ground.store.tenants.put('birch', {}, { by: 'ann', reason: 'signed' })
      const pilots = await tenant('ls', '--ring', 'pilot')
      expect([pilots.code, pilots.out]).toEqual([
        0,
        expect.stringMatching(/^acme +pilot +eu-west[\s\S]*\n1 tenant\n$/m),
      ])
      const { incumbent } = await ground.lane()
      const out = await tenant('opt-out', 'acme', ground.task, '--reason', 'audit')
      expect(out.out).toContain(`acme stays on ${incumbent?.slice(0, 19)} for ${ground.task} in production.`)
      const listed = await ground.sluice('overrides', 'ls', '--task', ground.task)
      expect(listed.out).toMatch(new RegExp(`^acme +${ground.task} +opt-out +${incumbent?.slice(0, 19)} .*audit$`, 'm'))
      expect((await tenant('show', 'acme')).out).toContain('opted out, stays on')
      const reset = () => ground.sluice('overrides', 'reset', 'acme', ground.task, '--reason', 'audit is over')
      expect((await reset()).out).toContain('follows what is released')
      const again = await reset()
      expect([again.code, again.err]).toEqual([1, expect.stringContaining('neither an override nor an opt-out')])
      expect((await ground.store.tenants.history('acme')).map(({ seq }) => seq)).toEqual([1, 2, 3])
      expect((await ground.sluice('overrides', 'ls')).out).toBe('Every tenant follows what is released.\n')
    })

    it('an override that is not tested is refused with the command that tests it', async () => {
      const run = await tenant('override', 'acme', ground.task, '--prompt', 'csat@1.3.0', '--reason', 'own words')
      expect([run.code, run.err]).toEqual([3, expect.stringContaining('tenant_pending')])
      expect(run.err).toMatch(/sluice eval run airline@1\.0\.0 --candidate sha256:[0-9a-f]{64} --incumbent sha256:/)
      expect(await ground.store.tenants.history('acme')).toHaveLength(3)
    })

    it.each([
      ['an override of nothing', 2, '--prompt <ref>', ['override', 'acme', 'csat', '--reason', 'x']],
      ['a ring of rubbish', 2, 'Allowed choices are', ['ls', '--ring', 'nope']],
      ['a tenant nobody knows', 1, 'not_found', ['show', 'nobody']],
      ['a blank tenant', 2, 'Say something', ['show', ' ']],
      ['an opt-out of an unknown task', 1, 'unknown_task', ['opt-out', 'acme', 'nobody', '--reason', 'x']],
    ])('refuses %s', async (_, code, text, args) => {
      const run = await tenant(...args)
      expect([run.code, run.err]).toEqual([code, expect.stringContaining(text)])
    })
  })

  describe('a served request', () => {
    it('is explained from the ledgers, also after a rollback moved its conversation', async () => {
      const policy = await ground.policy('open', {
        pilot: { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 0, minimumSample: 0 },
        steps: [{ basisPoints: 10_000, bakeMs: 3_600_000, minimumSample: 10 }],
      })
      const { id } = await ground.start(ground.request('1.1.0', policy))
      await ground.reaches(id, ({ step }) => step === 'rollout-1')
      const stepSeq = 3
      const sluice = await connect({ url: ground.url, apiKey: ground.key, environment: 'production' })
      // The release says where it goes before the entry of the step is appended.
      await until('the lane has the step', async () => (await ground.lane()).headSeq === stepSeq)
      const { headSeq, headAt } = await ground.lane()
      await until('the application has the step', async () => sluice.heads[ground.task] === headSeq)
      // Further from the entry than any error of the clock offset that the application has measured.
      const startedAt = headAt + 1_000
      await until('the conversation has begun', async () => Date.now() > startedAt)
      const serving = sluice.resolve(ground.task, { tenant: 'birch', conversation: 'c-1', startedAt })
      if (serving.skip !== undefined) throw new Error(`skipped: ${serving.skip}`)
      const branch = { candidate: 'small', by: 'rule', rule: 2 } as const
      const tokens = { inputTokens: 900, outputTokens: 100 }
      sluice.report(serving, { requestId: 'r-1', outcome: 'ok', latencyMs: 800, ...tokens, branch })
      await sluice.shutdown()

      const run = await ground.sluice('explain', 'r-1')
      expect([run.code, run.err]).toEqual([0, ''])
      expect(run.out).toContain('the rest 100 % get the candidate')
      expect(run.out).toContain(`step of release ${id}`)
      expect(run.out).toMatch(/^branch +rule 2: small$/m)
      expect(run.out).toMatch(/its next +request would be served the same/)
      expect(run.out).toContain('agree')
      await ground.sluice('release', 'rollback', id, '--reason', 'enough')
      await until('the server has the rollback', async () => {
        const { next } = await ground.json<{ next: { reason?: string } }>('explain', 'r-1')
        return next.reason === 'revoked'
      })
      expect((await ground.sluice('explain', 'r-1')).out).toContain('was rolled back since')

      await tamperWithRequest(ground.store, 'r-1', (row) => ({ ...row, arm: 'incumbent' }))
      const altered = await ground.sluice('explain', 'r-1')
      expect(altered.code).toBe(1)
      expect(altered.out).toContain('DISAGREES     arm: the log says incumbent, the ledgers say candidate')
      await ground.lift()
    })

    it('that is in no log is not found', async () => {
      const run = await ground.sluice('explain', 'r-0/ä')
      expect([run.code, run.err]).toEqual([1, expect.stringContaining('not_found')])
    })
  })

  describe('the chains', () => {
    it('hold, until somebody alters an entry or a decision', async () => {
      const all = await ground.sluice('audit', 'verify')
      expect([all.code, all.out]).toEqual([
        0,
        expect.stringMatching(/^All chains hold: 2 lanes with \d+ entries, 2 releases/),
      ])
      const allocations = ground.store.database.collection<{ _id: string; by: string }>('allocations')
      const _id = `production/${ground.task}/1`
      const { by } = (await allocations.findOne({ _id })) ?? { by: '' }
      await allocations.updateOne({ _id }, { $set: { by: 'mallory' } })
      const broken = await ground.sluice('audit', 'verify', '--env', 'production')
      expect([broken.code, broken.out]).toEqual([1, expect.stringContaining(`BROKEN  production/${ground.task}: `)])
      await allocations.updateOne({ _id }, { $set: { by } })
      const decisions = ground.store.database.collection<{ _id: string; reason: string }>('decisions')
      const last = await decisions.find().sort({ seq: -1 }).limit(1).toArray()
      await decisions.deleteOne({ _id: last[0]?._id ?? '' })
      expect((await ground.sluice('audit', 'verify', '--task', ground.task)).out).toContain(
        'end before their recorded head',
      )
      await decisions.insertMany(last)
      expect((await ground.sluice('audit', 'verify')).code).toBe(0)
    })

    it('that grow while they are verified are not taken for broken', async () => {
      const { store, task } = ground
      let writing = true
      const verify = async () => {
        while (writing) await store.ledger.verify('production', task)
      }
      const write = async () => {
        for (let count = 0; count < 20; count++) {
          const order = { environment: 'production', task, by: 'ann', reason: 'to and fro', disabled: count % 2 === 0 }
          await store.ledger.setDisabled({ ...order, key: `flip-${count}` })
        }
        writing = false
      }
      await Promise.all([verify(), verify(), write()])
      expect((await ground.lane()).disabled).toBe(false)
    })
  })

  describe('doctor', () => {
    const findings = async (change: Readonly<Record<string, string>> = {}) => {
      const { code, out } = await ground.sluiceWith(change, 'doctor', '--json')
      return { code, found: (JSON.parse(out) as { findings: Finding[] }).findings }
    }
    const about = (found: readonly Finding[], name: string) => found.filter((one) => one.about.includes(name))

    it('names what waits for a person, and says what to do about all that is wrong', async () => {
      await ground.store.ledger.setDisabled({
        ...{ environment: 'production', task: ground.task, key: 'off', disabled: true, by: 'ann', reason: 'x' },
      })
      const { found } = await findings()
      expect(about(found, 'MongoDB')).toEqual([expect.objectContaining({ level: 'ok' })])
      expect(about(found, 'Temporal')[0]).toMatchObject({ level: 'ok' })
      expect(about(found, 'production/')).toEqual([expect.objectContaining({ level: 'look', text: 'is disabled' })])
      expect(found.filter(({ level, remedy }) => level !== 'ok' && remedy === undefined)).toEqual([])
      await ground.sluice('enable', ground.task, '--env', 'production', '--reason', 'x')
    })

    it('works while MongoDB, Temporal and the API are down', async () => {
      const down = {
        SLUICE_URL: 'http://127.0.0.1:1',
        TEMPORAL_ADDRESS: '127.0.0.1:1',
        MONGODB_URI: 'mongodb://127.0.0.1:1',
      }
      const { code, found } = await findings(down)
      expect(code).toBe(1)
      expect(found.map(({ about: name, level }) => [name, level])).toEqual([
        ['API', 'wrong'],
        ['MongoDB', 'wrong'],
        ['Temporal', 'wrong'],
      ])
    })

    it('writes nothing where it finds nothing', async () => {
      const { found } = await findings({ SLUICE_DATABASE: 'nobodys_database' })
      expect(about(found, 'MongoDB')[1]).toMatchObject({
        level: 'look',
        text: 'the database nobodys_database is empty',
      })
      const { databases } = await ground.store.database.client.db().admin().listDatabases({ nameOnly: true })
      expect(databases.map(({ name }) => name)).not.toContain('nobodys_database')
    })

    it('names a namespace that Temporal has not', async () => {
      const { code, found } = await findings({ SLUICE_NAMESPACE: 'nowhere' })
      expect(code).toBe(1)
      expect(about(found, 'Temporal')[0]?.text).toContain('has no namespace nowhere')
    })

    it('names a clock that stands still and a workflow that is gone, until reconcile ends them', async () => {
      const policy = await ground.policy('slow', {
        steps: [{ basisPoints: 5_000, bakeMs: 3_600_000, minimumSample: 10 }],
      })
      const { id, workflowId } = await ground.start(ground.request('1.2.0', policy))
      await ground.reaches(id, ({ step }) => step === 'pilot')
      await ground.stopWorker()
      const watches = ground.store.database.collection<{ _id: string }>('watches')
      await watches.updateOne({ _id: id }, [{ $set: { at: { $subtract: ['$at', 60_000] } } }])
      const still = await findings()
      expect(still.code).toBe(1)
      expect(about(still.found, `safety clock of ${id}`)[0]?.text).toMatch(/^stands still for 1 min/)

      await ground.client.workflow.getHandle(workflowId).terminate('by hand')
      const gone = await findings()
      expect(about(gone.found, `release ${id}`)[0]?.text).toContain('its workflow is terminated')
      expect((await ground.sluice('reconcile')).out).toContain(id)
      const { found } = await findings()
      expect(about(found, id)).toEqual([])
      expect(about(found, `production/${ground.task}`)[0]?.text).toMatch(/^is held by reconciler/)
    })

    it('names notes that cannot be delivered and applications that do not follow', async () => {
      const release = (await ground.store.releases.list({ limit: 1 }))[0]?.id ?? ''
      const now = await ground.store.database.now()
      const note = { release, kind: 'release' as const, tenant: 'acme', channel: 'mail' }
      await ground.store.outbox.enqueue([{ ...note, subject: 's', markdown: 'm', html: 'h', data: {} as never }], now)
      const claim = await ground.store.outbox.claim(now)
      if (claim === undefined) throw new Error('nothing to claim')
      await ground.store.outbox.settle(claim, { result: 'refused', reason: 'no such address' }, now)
      const reporters = ground.store.database.collection<{ _id: string }>('reporters')
      await reporters.insertOne({
        _id: 'app-that-lags',
        ...{
          environment: 'production',
          principal: 'ann',
          appliedHeads: { [ground.task]: 1 },
          dropped: 0,
          refused: 0,
          late: [],
        },
        seenAt: new Date(now + 30_000),
      } as never)
      const { code, found } = await findings()
      expect(code).toBe(1)
      expect(about(found, 'outbox')[0]).toMatchObject({
        level: 'wrong',
        text: expect.stringContaining('no such address'),
      })
      expect(about(found, 'app-that-lags')[0]?.text).toContain(`serves ${ground.task} by entry 1 of `)
      const active = await ground.sluice('active', '--env', 'production')
      expect(active.out).toMatch(new RegExp(`app-that-lags had ${ground.task} at entry 1 of \\d+`))
      const lagging = await reporters.findOne({ _id: 'app-that-lags' })
      await reporters.insertMany(Array.from({ length: 30 }, (_, index) => ({ ...lagging, _id: `lags-${index}` })))
      const many = (await findings()).found
      expect([about(many, 'replica').length, about(many, 'production').map(({ text }) => text)]).toEqual([
        20,
        expect.arrayContaining(['11 more applications serve by older entries in production']),
      ])
    })
  })
})
