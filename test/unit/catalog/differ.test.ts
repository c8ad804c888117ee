import { randomUUID } from 'node:crypto'
import { exitCodes } from '../../../src/cli/main'
import type { EvaluationReport, FieldShift } from '../../../src/domain/evaluation'
import type { Digest } from '../../../src/domain/version'
import { type TestApi, testApi } from '../../support/api'
import { engineContent, registration } from '../../support/contents'

const schema = (keys: readonly string[]) => ({
  type: 'object',
  properties: Object.fromEntries(keys.map((key) => [key, { type: 'string' }])),
  required: [...keys],
  additionalProperties: false,
})
const shift = (field: string, changedShare: number): FieldShift => ({
  field,
  kind: 'category',
  pairs: 10,
  changedShare,
})

describe('the difference of two composites', () => {
  let api: TestApi
  let suite: Digest
  let policy: Digest
  const ids: Record<string, Digest> = {}
  const differ = () => api.store.differ

  beforeAll(async () => {
    api = await testApi()
    const { catalog } = api.store
    const register = async (ref: string, content: unknown) =>
      (await catalog.register(registration(ref, content))).version.digest
    await register('engine/small@1.0.0', engineContent)
    await register('engine/small@1.1.0', { ...engineContent, model: 'small-2' })
    await register('prompt/rate@1.0.0', { text: 'Rate {{call}}' })
    await register('prompt/rate@1.1.0', { text: 'Please rate {{call}}' })
    await register('schema/report@1.0.0', schema(['mood', 'note']))
    await register('schema/report@1.1.0', schema(['mood', 'note', 'csat']))
    await register('schema/report@2.0.0', schema(['mood']))
    await register('field/mood@1.0.0', { computerName: 'mood', type: 'string', label: 'Mood' })
    await register('field/note@1.0.0', { computerName: 'note', type: 'string', label: 'Note' })
    await register('mapping/report@1.0.0', { fields: { mood: 'mood@1.0.0', note: 'note@1.0.0' } })
    await register('postprocess/tidy@1.0.0', { steps: [{ step: 'default', key: 'note', value: '' }] })
    await register('dataset/cases@1.0.0', { rows: [{ id: 'a' }] })
    suite = await register('suite/calls@1.0.0', {
      dataset: 'cases@1.0.0',
      scorers: [
        { name: 'mood', scorer: 'field', options: { path: 'mood' } },
        { name: 'note', scorer: 'field', options: { path: 'note' } },
      ],
      primary: 'mood',
      thresholds: { minAccuracy: 0.5 },
    })
    policy = await register('policy/direct@1.0.0', { environments: ['production'], test: { shiftMargin: 0.2 } })
    await register('policy/open@1.0.0', { environments: ['production'], exceptions: ['breaking'] })
    const roles = {
      prompt: 'rate@1.0.0',
      engine: 'small@1.0.0',
      schema: 'report@1.0.0',
      mapping: 'report@1.0.0',
      postprocess: 'tidy@1.0.0',
    }
    const task = { suite: 'calls@1.0.0', policy: 'direct@1.0.0' }
    await catalog.putTask({ name: 'rating', roles, ...task }, 'ann')
    await catalog.putTask({ name: 'other', roles: { prompt: 'rate@1.0.0', engine: 'small@1.0.0' }, ...task }, 'ann')
    const commit = async (name: string, change: object) => {
      ids[name] = (await catalog.commitComposite({ ...roles, ...change })).id
    }
    await commit('base', {})
    await commit('worded', { prompt: 'rate@1.1.0' })
    await commit('engine', { engine: 'small@1.1.0' })
    await commit('less', { schema: 'report@2.0.0' })
    await commit('more', { schema: 'report@1.1.0' })
  })
  afterAll(() => api.stop())

  const id = (name: string): Digest => ids[name] as Digest
  const measure = async (candidate: string, shifts: readonly FieldShift[], shifting: boolean) => {
    const report = { suite, comparison: { shifts }, candidate: { engines: [] } } as unknown as EvaluationReport
    const draft = { candidate: id(candidate), incumbent: id('base'), suite, policy, reasons: [], shifting, report }
    await api.store.evidence.record({ ...draft, verdict: shifting ? 'fail' : 'pass', evaluationId: randomUUID() })
  }

  it('is nothing between a composite and itself', async () => {
    expect(await differ().composites(id('base'), id('base'))).toEqual({
      from: id('base'),
      to: id('base'),
      changeClass: 'none',
      roles: [],
      measured: { state: 'not_measured' },
      suggested: { bump: 'none' },
      dependents: expect.objectContaining({ taskCount: 0, tenantCount: 0, consumerCount: 0 }),
    })
  })

  it.each([
    { name: 'worded', changeClass: 'safe', risk: 'configuration', suggested: { bump: 'patch', label: '1.1.1' } },
    { name: 'engine', changeClass: 'safe', risk: 'engine', suggested: { bump: 'patch', label: '1.1.1' } },
    { name: 'more', changeClass: 'safe', risk: 'configuration', suggested: { bump: 'minor', label: '2.1.0' } },
    { name: 'less', changeClass: 'breaking', risk: 'configuration', suggested: { bump: 'major', label: '3.0.0' } },
  ])('has class, risk and the semver that fits: $name', async ({ name, suggested, ...rest }) => {
    const report = await differ().composites(id('base'), id(name))
    expect(report).toMatchObject({ ...rest, suggested: { bump: suggested.bump }, roles: [{ suggested }] })
  })

  it('is shifting where, and only where, that was measured beyond the margin of the policy', async () => {
    expect((await differ().composites(id('base'), id('worded'))).measured).toEqual({ state: 'not_measured' })
    await measure('worded', [shift('note', 0.1), shift('mood', 0.15)], false)
    const within = await differ().composites(id('base'), id('worded'))
    expect(within).toMatchObject({
      changeClass: 'safe',
      measured: { state: 'measured', shift: { field: 'mood', changedShare: 0.15, margin: 0.2 } },
    })
    await measure('worded', [shift('mood', 0.5)], true)
    const beyond = await differ().composites(id('base'), id('worded'))
    expect(beyond).toMatchObject({
      changeClass: 'shifting',
      measured: { shifting: true, verdict: 'fail', void: false },
    })
    expect((await differ().composites(id('worded'), id('base'))).changeClass).toBe('safe')
  })

  it('names who reads a key that goes away', async () => {
    const { dependents } = await differ().composites(id('base'), id('less'))
    expect(dependents.tasks).toEqual(['rating'])
    expect(new Set(dependents.consumers.map(({ kind, key }) => `${kind} ${key}`))).toEqual(
      new Set(['mapping note', 'postprocess note', 'suite note']),
    )
    expect((await differ().composites(id('base'), id('more'))).dependents.consumerCount).toBe(0)
  })

  it('names the tasks that serve it, and the tenants with an override made from it', async () => {
    const { evidence, ledger, tenants } = api.store
    const place = { environment: 'production', task: 'other', key: 'release-1/settle' }
    await evidence.record({
      ...{
        candidate: id('base'),
        suite,
        policy,
        reasons: [],
        shifting: false,
        verdict: 'pass',
        evaluationId: randomUUID(),
      },
      report: { suite, candidate: { engines: [] } } as unknown as EvaluationReport,
    })
    const draft = { cause: 'settle', by: 'ann', salt: 'release-1', exposure: [], incumbent: id('base') } as const
    await ledger.forward({ ...place, draft, expectedBase: 0, policy, leadMs: 0 })
    await measure('worded', [], false)
    const override = { tenant: 'acme', task: 'other', base: id('base'), composite: id('worded'), policy }
    await tenants.override(override, { by: 'ann', reason: 'for a test' })
    const { dependents } = await differ().composites(id('base'), id('engine'))
    expect(dependents).toMatchObject({ tasks: ['other', 'rating'], tenants: ['acme'], tenantCount: 1 })
    const version = await differ().versions('prompt/rate@1.1.0', 'prompt/rate@1.0.0')
    expect(version.dependents).toMatchObject({ tenants: ['acme'] })
  })

  it('lets nothing that breaks into a lane, whatever was measured, but by the exception of the policy', async () => {
    const { evidence, ledger, tenants, catalog } = api.store
    const open = (await catalog.version('policy/open@1.0.0')).digest
    const report = { suite, candidate: { engines: [] } } as unknown as EvaluationReport
    for (const key of [policy, open]) {
      const pair = { candidate: id('less'), incumbent: id('base'), suite, policy: key }
      await evidence.record({
        ...pair,
        reasons: [],
        shifting: false,
        verdict: 'pass',
        evaluationId: randomUUID(),
        report,
      })
    }
    const draft = { cause: 'settle', by: 'ann', salt: 'release-2', exposure: [], incumbent: id('less') } as const
    const place = { environment: 'production', task: 'other', expectedBase: 1, leadMs: 0, draft }
    await expect(ledger.forward({ ...place, key: 'release-2/settle', policy })).rejects.toMatchObject({
      code: 'change_breaks',
      details: { roles: ['schema'] },
    })
    const override = { tenant: 'globex', task: 'other', base: id('base'), composite: id('less'), policy }
    await expect(tenants.override(override, { by: 'ann', reason: 'a' })).rejects.toMatchObject({
      code: 'change_breaks',
    })
    expect((await ledger.lane('production', 'other')).headSeq).toBe(1)
    const { created } = await ledger.forward({ ...place, key: 'release-2/settle', policy: open })
    expect(created).toBe(true)
  })

  it('is answered over HTTP and told on a terminal', async () => {
    const { body } = await api.call('GET', `/v1/diff?from=${id('base')}&to=rating@${id('less')}`)
    expect(body).toMatchObject({
      changeClass: 'breaking',
      risk: 'configuration',
      dependents: { tasks: ['rating'] },
    })
    const { code, out } = await api.cli('diff', id('base'), id('less'))
    expect(code).toBe(exitCodes.ok)
    expect(out).toContain('breaking (major): a new task, or an exception by name')
    expect(out).toContain('schema: schema/report@1.0.0 → schema/report@2.0.0   breaking, next major: 3.0.0')
    expect(out).toContain('- note removed: {"type":"string"} (readers of it find nothing)   (breaking)')
    expect(out).toContain('! mapping/report@1.0.0 of rating names note: note goes away')
    expect(out).toContain('output shift not measured')
    const shifted = await api.cli('diff', id('base'), id('worded'))
    expect(shifted.out).toMatch(/output shift: /)
    const json = await api.cli('diff', 'schema/report@1.0.0', 'schema/report@1.1.0', '--json')
    expect(JSON.parse(json.out)).toMatchObject({
      kind: 'schema',
      suggested: { bump: 'minor', label: '2.1.0' },
      changes: expect.arrayContaining([expect.objectContaining({ rule: 'key_added', class: 'safe' })]),
    })
  })

  it('refuses a version beside a composite', async () => {
    const answer = await api.call('GET', `/v1/diff?from=prompt/rate@1.0.0&to=${id('base')}`)
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    expect((await api.cli('diff', 'prompt/rate@1.0.0', 'prompt/none@1.0.0')).code).toBe(exitCodes.failed)
  })
})
