import type { ReleaseRecord } from '../../src/store/releases'
import { type CliGround, cliGround } from '../support/cli-ground'
import { until } from '../support/until'

const long = 3_600_000
const noDigest = `sha256:${'0'.repeat(64)}`
const noRelease = '01JZ8Y3T9M4QWXV5R2B7C6D1EF'

describe('a release by command line', () => {
  let ground: CliGround
  let slow: string
  beforeAll(async () => {
    ground = await cliGround()
    slow = await ground.policy('slow', {
      pilot: { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 0, minimumSample: 0 },
      steps: [{ basisPoints: 5_000, bakeMs: long, minimumSample: 10 }],
    })
  })
  afterAll(() => ground.end())

  const started = async (file: string): Promise<ReleaseRecord> => ground.json<ReleaseRecord>('release', 'start', file)
  const inRollout = (id: string) => ground.reaches(id, ({ step }) => step === 'rollout-1')

  it('deploys at once with --policy immediate, named without its version, and follows it to the end', async () => {
    expect((await ground.sluice('active')).out).toContain('Nothing was ever deployed')
    const file = ground.releaseFile('1.0.0')
    const run = await ground.sluice('release', 'start', file, '--policy', 'immediate', '--watch')
    expect([run.code, run.err]).toEqual([0, ''])
    const stages = ['planned as', 'the suite passed', 'stage-staging in staging', 'settled in production', 'done']
    const places = stages.map((text) => run.out.indexOf(text))
    expect(places.every((place, index) => place > (places[index - 1] ?? 0))).toBe(true)
    expect(run.out).toMatch(/^\d\d:\d\d:\d\d {2}test /m)
    const shown = await ground.sluice('active', '--env', 'production')
    expect(shown.out).toContain(`production/${ground.task}`)
    expect(shown.out).toMatch(/incumbent {2}sha256:[0-9a-f]{12} {2}.*prompt\/csat@1\.0\.0/)
    expect(shown.out).not.toContain('staging/')
  })

  it('says what a release would do, under the digest that its approval names', async () => {
    const file = ground.releaseFile('1.1.0', slow)
    const { digest, plan } = await ground.json<{ digest: string; plan: { candidate: string } }>('plan', file)
    const { out } = await ground.sluice('plan', file)
    expect(out).toContain('prompt/csat@1.0.0 → prompt/csat@1.1.0')
    expect(out).toContain('bake 1 hour')
    expect(out).toContain(`plan: ${digest}`)
    expect(out).toContain(plan.candidate.slice(0, 19))
    expect(await ground.store.releases.list({ open: true })).toEqual([])
  })

  it('an approval needs the digest of this plan; nothing less changes anything', async () => {
    const policy = await ground.policy('approved', { approvals: { count: 1, notTheAuthor: true, trustSignals: false } })
    const { id } = await started(ground.releaseFile('1.1.0', policy))
    const live = async () => await ground.orchestrator.status({ workflowId: `release/${ground.task}` })
    await until('the approval is awaited', async () => (await live())?.phase === 'awaiting_approval')
    const { plan } = await ground.store.releases.get(id)
    const shown = await ground.sluice('release', 'show', id)
    expect(shown.out).toContain(`sluice release approve ${id} --plan ${plan} --reason`)
    expect(shown.out).toContain('prompt/csat@1.0.0 → prompt/csat@1.1.0')

    const without = await ground.asBen('release', 'approve', id, '--reason', 'read it')
    expect(without.code).toBe(3)
    expect(without.out).toContain('prompt/csat@1.0.0 → prompt/csat@1.1.0')
    expect(without.err).toContain(
      `plan_mismatch: An approval names the plan that was read. Approve this one with --plan ${plan}`,
    )
    const wrong = await ground.asBen('release', 'approve', id, '--reason', 'read it', '--plan', noDigest)
    expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining('plan_mismatch')])
    const own = await ground.sluice('release', 'approve', id, '--reason', 'mine', '--plan', plan ?? '')
    expect([own.code, own.err]).toEqual([3, expect.stringContaining('The author may not approve')])
    expect((await live())?.approvals).toEqual([])

    const second = await ground.sluice('release', 'start', ground.releaseFile('1.2.0', policy))
    expect([second.code, second.err]).toEqual([3, expect.stringContaining(`It is the release ${id} by ann`)])
    const approved = await ground.asBen('release', 'approve', id, '--reason', 'read it', '--plan', plan ?? '')
    expect([approved.code, approved.out]).toEqual([0, `${id} is running\n`])
    const watched = await ground.sluice('release', 'watch', id)
    expect([watched.code, watched.err]).toEqual([0, ''])
    expect(watched.out).toMatch(/approved by ben: read it[\s\S]*^done after /m)
    expect((await ground.sluice('release', 'show', id)).out).toMatch(/^approved +by ben, /m)
    expect((await ground.sluice('release', 'resume', id, '--reason', 'x')).err).toContain('release_closed')
  })

  it('is paused, resumed and taken back; the watch ends with 3, the lane is held', async () => {
    const before = await ground.lane()
    const { id } = await started(ground.releaseFile('1.2.0', slow))
    const watch = ground.sluice('release', 'watch', id)
    const record = await inRollout(id)
    expect((await ground.sluice('release', 'pause', id, '--reason', 'odd')).out).toBe(`${id} is paused\n`)
    const again = await ground.sluice('release', 'pause', id, '--reason', 'odd')
    expect([again.code, again.err]).toEqual([3, expect.stringContaining('command_refused')])
    expect((await ground.sluice('release', 'show', id)).out).toMatch(/^paused +by ann: odd$/m)
    expect((await ground.sluice('release', 'resume', id, '--reason', 'fine')).out).toBe(`${id} is running\n`)
    const active = await ground.sluice('active', '--task', ground.task)
    expect(active.out).toContain('share      ring pilot 50 %, the rest 50 %')
    expect((await ground.sluice('release', 'ls', '--open')).out).toContain(`${id}  ${ground.task}`)

    const back = await ground.sluice('rollback', ground.task, '--env', 'production', '--reason', 'customers complain')
    expect([back.code, back.out]).toEqual([0, expect.stringContaining(`release ${id} goes back`)])
    expect((await ground.lane()).incumbent).toBe(before.incumbent)
    const watched = await watch
    expect(watched.code).toBe(3)
    expect(watched.out).toMatch(
      /paused by ann: odd[\s\S]*resumed by ann: fine[\s\S]*withdrawn by ann[\s\S]*^rolled back/m,
    )
    const late = await ground.sluice('release', 'watch', id)
    expect([late.code, late.out]).toEqual([3, expect.stringContaining('withdrawn by ann')])

    const start = await ground.sluice('release', 'start', ground.releaseFile('1.3.0', slow))
    expect([start.code, start.err]).toEqual([
      3,
      expect.stringContaining(`sluice hold lift ${ground.task} --env staging`),
    ])
    const holds = await ground.sluice('hold', 'ls')
    expect(holds.out.match(/ hold /g)).toHaveLength(2)
    expect(holds.out).toContain('customers complain')
    const veto = record.candidate?.slice(7, 15) ?? ''
    for (const env of ['staging', 'production']) {
      const lifted = await ground.sluice('hold', 'lift', ground.task, '--env', env, '--reason', 'known')
      expect([lifted.code, lifted.out]).toEqual([0, expect.stringContaining('Still vetoed')])
      expect(
        (await ground.sluice('hold', 'lift', ground.task, '--env', env, '--veto', veto, '--reason', 'known')).code,
      ).toBe(0)
    }
    const [newest] = await ground.store.ledger.lifts(1)
    expect(newest).toMatchObject({ by: 'ann', reason: 'known', lifted: { reason: 'customers complain' } })
    expect((await ground.sluice('hold', 'ls')).out).toBe('Nothing is held and nothing is vetoed.\n')
    const nothing = await ground.sluice('hold', 'lift', ground.task, '--env', 'production', '--reason', 'known')
    expect([nothing.code, nothing.err]).toEqual([1, expect.stringContaining('Nothing to lift')])
  })

  it('goes back twice without a release, never to and fro, and what only production lost can be released again', async () => {
    const { settled } = await ground.lane()
    const [first, second] = settled
    const target = (digest: string | undefined) => digest?.slice(7, 19) ?? ''
    const rollback = (...more: readonly string[]) =>
      ground.sluice('rollback', ground.task, '--env', 'production', '--reason', 'drift', ...more)
    expect((await rollback()).out).toContain(`serves sha256:${target(first)}`)
    expect((await ground.lane()).incumbent).toBe(first)
    const head = (await ground.lane()).headSeq
    const refusals: readonly (readonly [readonly string[], string])[] = [
      [[], 'no_previous'],
      [['--to', target(second)], 'vetoed'],
      [['--to', 'abcdef'], 'not_settled'],
    ]
    for (const [more, code] of refusals) {
      const run = await rollback(...more)
      expect([run.code, run.err]).toEqual([3, expect.stringContaining(`${code}: `)])
    }
    expect((await ground.lane()).headSeq).toBe(head)

    await ground.store.ledger.liftHold({ environment: 'production', task: ground.task, by: 'ann', reason: 'known' })
    expect((await rollback('--to', target(first))).code).toBe(0)
    const { hold, vetoes } = await ground.lane()
    // It serves already, so nothing is written and the lane that a person opened stays open.
    expect([hold, vetoes.map(({ composite }) => composite)]).toEqual([undefined, [second]])
    await ground.lift()
    expect((await ground.lane('staging')).incumbent).toBe(second)
    const again = await ground.sluice('release', 'start', ground.releaseFile('1.1.0'), '--watch')
    expect([again.code, again.err]).toEqual([0, ''])
    expect((await ground.lane()).incumbent).toBe(second)
    await ground.store.ledger.verify('staging', ground.task)
  })

  it('a task is turned off and on again', async () => {
    const flip = (verb: string) => ground.sluice(verb, ground.task, '--env', 'production', '--reason', 'incident')
    expect((await flip('disable')).out).toContain('is disabled')
    expect((await flip('disable')).out).toContain('was disabled already')
    expect((await ground.sluice('active')).out).toContain('DISABLED')
    const start = await ground.sluice('release', 'start', ground.releaseFile('1.2.0'))
    expect([start.code, start.err]).toEqual([3, expect.stringContaining('lane_disabled')])
    expect((await flip('enable')).out).toContain('is enabled')
    expect((await ground.lane()).disabled).toBe(false)
  })

  it('a workflow terminated by hand does not keep a rollback waiting', async () => {
    const { incumbent } = await ground.lane()
    const { id, workflowId } = await started(ground.releaseFile('1.2.0', slow))
    await inRollout(id)
    await ground.stopWorker()
    await ground.client.workflow.getHandle(workflowId).terminate('by hand')
    const run = await ground.sluice('rollback', ground.task, '--env', 'production', '--reason', 'terminated')
    expect([run.code, run.err]).toEqual([0, ''])
    expect((await ground.lane()).incumbent).toBe(incumbent)
    const reconciled = await ground.sluice('reconcile')
    expect([reconciled.code, reconciled.out]).toEqual([0, expect.stringContaining(`${id} of ${ground.task}`)])
    expect((await ground.store.releases.get(id)).phase).toBe('rolled_back')
    expect((await ground.sluice('reconcile')).out).toContain('nothing to do')
    await ground.lift()
    await ground.startWorker()
  })

  it('without a worker a pause says so, and a rollback is written all the same', async () => {
    const { incumbent } = await ground.lane()
    const { id } = await started(ground.releaseFile('1.2.0', slow))
    await inRollout(id)
    await ground.stopWorker()
    const pause = await ground.sluice('release', 'pause', id, '--reason', 'odd')
    expect([pause.code, pause.err]).toEqual([1, expect.stringContaining('or no worker runs')])
    const shown = await ground.sluice('release', 'show', id)
    expect([shown.code, shown.out]).toEqual([0, expect.stringContaining('its workflow does not answer')])
    const back = await ground.sluice('release', 'rollback', id, '--reason', 'no worker')
    expect([back.code, back.out]).toEqual([0, expect.stringContaining('its lanes are restored')])
    expect((await ground.lane()).incumbent).toBe(incumbent)
    await ground.startWorker()
    expect((await ground.ended(id)).phase).toBe('rolled_back')
    await ground.lift()
  })

  it.each([
    ['an unknown release', 1, 'not_found', ['release', 'show', noRelease]],
    ['a release of rubbish', 2, 'no release id', ['release', 'watch', 'NaN']],
    ['no reason', 2, "required option '--reason", ['release', 'pause', noRelease]],
    ['a blank reason', 2, 'Say something', ['release', 'pause', noRelease, '--reason', '  ']],
    [
      'a digest cut short',
      2,
      'all 64 hex digits',
      ['release', 'approve', noRelease, '--reason', 'x', '--plan', 'sha256:12'],
    ],
    ['no environment', 2, "required option '--env", ['rollback', 'csat', '--reason', 'x']],
    ['an unknown task', 1, 'unknown_task', ['rollback', 'nobody', '--env', 'production', '--reason', 'x']],
    ['a number of rubbish', 2, 'Give a number', ['release', 'ls', '--limit', 'NaN']],
    ['an infinite number', 2, 'Give a number', ['release', 'ls', '--limit', 'Infinity']],
    ['releases of an unknown task', 1, 'unknown_task', ['release', 'ls', '--task', 'nobody']],
  ])('refuses %s', async (_, code, text, args) => {
    const run = await ground.sluice(...args)
    expect([run.code, run.err, run.out]).toEqual([code, expect.stringContaining(text), ''])
  })

  it('names the environment in which nothing was ever deployed', async () => {
    const run = await ground.sluice('rollback', ground.task, '--env', 'prod', '--reason', 'x')
    expect([run.code, run.err]).toEqual([
      1,
      expect.stringContaining(`Nothing was ever deployed in prod/${ground.task}`),
    ])
  })

  it.each([
    ['there is no such file', undefined],
    ['broken.yaml:2: change.prompt', 'task: t\nchange: { prompt: 5 }\nwhy: x\n'],
    ['broken.yaml:4: Unrecognized key: "polcy"', 'task: t\nchange: { prompt: csat@1.1.0 }\nwhy: x\npolcy: y\n'],
    ['broken.yaml:3: The role prompt takes a prompt', 'task: t\nchange:\n  prompt: engine/csat@1.0.0\nwhy: x\n'],
    ['broken.yaml:1: change: names no role', 'change: {}\ntask: t\nwhy: x\n'],
    ['broken.yaml:3: ', 'task: t\nchange: { prompt: csat@1.1.0\nwhy: x\n'],
  ])('refuses a malformed file: %s', async (message, text) => {
    const file = text === undefined ? 'missing.yaml' : ground.file('broken.yaml', text)
    for (const args of [
      ['plan', file],
      ['release', 'start', file],
    ]) {
      const run = await ground.sluice(...args)
      expect([run.code, run.err]).toEqual([1, expect.stringContaining('malformed_file: ')])
      expect(run.err).toContain(message)
    }
  })

  it('refuses an unknown ref and an unknown policy, as JSON with --json', async () => {
    const file = ground.releaseFile('9.9.9')
    const run = await ground.sluice('release', 'start', file, '--json')
    expect([run.code, run.out]).toEqual([1, ''])
    expect(JSON.parse(run.err)).toMatchObject({ code: 'unknown_ref', message: expect.stringContaining('csat@9.9.9') })
    const policy = await ground.sluice('plan', ground.releaseFile('1.2.0'), '--policy', 'immediat')
    expect([policy.code, policy.err]).toEqual([1, expect.stringContaining('sluice artifact ls policy')])
  })
})
