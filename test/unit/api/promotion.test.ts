import { exitCodes } from '../../../src/cli/main'
import type { Digest } from '../../../src/domain/version'
import { type TestApi, testApi } from '../../support/api'
import { engineContent, registration } from '../../support/contents'
import { scored } from '../../support/scores'

describe('the promotion of an experiment', () => {
  let api: TestApi
  let suite: Digest
  const policy = `sha256:${'9'.repeat(64)}` as const
  const experiments = { 'csat@1.1.0-exp.1': 0.71, 'csat@1.1.0-exp.2': 0.78, 'csat@1.1.0-exp.3': 0.66 }
  beforeAll(async () => {
    api = await testApi()
    const { catalog } = api.store
    const register = (ref: string, content: unknown) => catalog.register(registration(ref, content))
    await register('engine/small@1.0.0', engineContent)
    await register('dataset/cases@1.0.0', { rows: [{ id: 'a' }] })
    const scorers = [{ name: 'mood', scorer: 'exact' }]
    const content = { dataset: 'cases@1.0.0', scorers, primary: 'mood', thresholds: { minAccuracy: 0.6 } }
    suite = (await register('suite/calls@1.0.0', content)).version.digest
    await register('prompt/csat@1.0.0', { text: 'Rate {{call}}' })
    await register('prompt/csat@1.1.0-exp.4', { text: 'Rate {{call}}, untested' })
    for (const [label, accuracy] of Object.entries(experiments)) {
      await register(`prompt/${label}`, { text: `Rate {{call}} as ${label}` })
      const { id } = await catalog.commitComposite({ prompt: label, engine: 'small@1.0.0' })
      await scored(api.store, { candidate: id, suite, policy }, [accuracy > 0.7 ? 'pass' : 'fail', accuracy])
    }
  })
  afterAll(() => api.stop())

  const promote = (...args: readonly string[]) => api.cli('artifact', 'promote', ...args, '--reason', 'it won')

  it('registers the same content as a release, with the experiment as parent and the others on record', async () => {
    const { code, out } = await promote('prompt/csat@1.1.0-exp.2', '--as', '1.1.0', '--json')
    expect(code).toBe(exitCodes.ok)
    const winner = await api.store.catalog.version('prompt/csat@1.1.0-exp.2')
    expect(JSON.parse(out)).toMatchObject({
      created: true,
      version: {
        ref: 'prompt/csat@1.1.0',
        author: 'ann',
        digest: winner.digest,
        parents: [winner.digest],
        promotion: {
          suite,
          winner: { ref: 'prompt/csat@1.1.0-exp.2', accuracy: 0.78, verdict: 'pass' },
          losers: [
            { ref: 'prompt/csat@1.1.0-exp.1', accuracy: 0.71, verdict: 'pass' },
            { ref: 'prompt/csat@1.1.0-exp.3', accuracy: 0.66, verdict: 'fail' },
          ],
        },
      },
    })
    const again = await promote('prompt/csat@1.1.0-exp.2', '--as', '1.1.0')
    expect(again.out).toContain('stood already')
    const tree = await api.cli('lineage', 'prompt/csat@1.1.0')
    expect(tree.out).toMatch(/^prompt\/csat@1\.1\.0 {2}\[78\.0 % on calls@1\.0\.0; promoted over 2\]/)
    expect(tree.out).toContain('└─ parent: prompt/csat@1.1.0-exp.2')
    expect((await api.cli('artifact', 'show', 'prompt/csat@1.1.0')).out).toContain(
      'promoted   from prompt/csat@1.1.0-exp.2',
    )
  })

  it('takes a name of its own, and the others by name', async () => {
    const order = ['prompt/csat@1.1.0-exp.1', '--as', 'rating@1.0.0', '--over', 'prompt/csat@1.1.0-exp.3', '--json']
    const { out } = await promote(...order)
    const { version } = JSON.parse(out)
    expect(version.ref).toBe('prompt/rating@1.0.0')
    expect(version.promotion.losers).toMatchObject([{ ref: 'prompt/csat@1.1.0-exp.3' }])
  })

  it('refuses to merge two, and says what to do', async () => {
    const { code, err } = await promote('prompt/csat@1.1.0-exp.1', 'prompt/csat@1.1.0-exp.2', '--as', '1.2.0')
    expect(code).toBe(exitCodes.refused)
    expect(err).toMatch(/^merge_refused: .* are not merged: .*names both as parents and run the suite on it/)
  })

  it.each<[string, readonly string[], string]>([
    ['one that failed', ['prompt/csat@1.1.0-exp.3', '--as', '1.2.0'], 'promotion_refused'],
    ['one that nobody tested', ['prompt/csat@1.1.0-exp.4', '--as', '1.2.0'], 'promotion_refused'],
    ['a release', ['prompt/csat@1.0.0', '--as', '1.2.0'], 'promotion_refused'],
    ['a pre-release as the release', ['prompt/csat@1.1.0-exp.2', '--as', '1.2.0-rc.1'], 'promotion_refused'],
    ['another content under a label that is taken', ['prompt/csat@1.1.0-exp.1', '--as', '1.1.0'], 'version_exists'],
    ['what is not registered', ['prompt/nobody@1.0.0-a', '--as', '1.0.0'], 'unknown_ref'],
    [
      'a loser without a score',
      ['prompt/csat@1.1.0-exp.2', '--as', '1.3.0', '--over', 'prompt/csat@1.1.0-exp.4'],
      'suite_mismatch',
    ],
    [
      'a loser of another kind',
      ['prompt/csat@1.1.0-exp.2', '--as', '1.3.0', '--over', 'engine/small@1.0.0'],
      'invalid_request',
    ],
  ])('refuses %s', async (_, args, code) => {
    const before = await api.store.database.collection('versions').countDocuments()
    expect((await promote(...args)).err).toContain(code)
    expect(await api.store.database.collection('versions').countDocuments()).toBe(before)
  })

  it('cannot be claimed by who registers', async () => {
    const draft = { kind: 'prompt', name: 'csat', semver: '1.5.0', content: { text: 'a' }, description: 'b' }
    const { status, body } = await api.call('POST', '/v1/artifacts', { ...draft, promotion: {} })
    expect({ status, body }).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })

  it('shows tested and score in lists', async () => {
    const { out } = await api.cli('artifact', 'ls', 'prompt/csat')
    expect(out).toMatch(/prompt\/csat@1\.1\.0-exp\.2 .* yes +78\.0 % on calls@1\.0\.0/)
    expect(out).toMatch(/prompt\/csat@1\.1\.0-exp\.3 .* fail +66\.0 % on calls@1\.0\.0/)
    const { body } = await api.call('GET', '/v1/artifacts/prompt/csat?limit=200')
    expect(body.items).toEqual(
      expect.arrayContaining([expect.objectContaining({ ref: 'prompt/csat@1.0.0', tested: false, scores: [] })]),
    )
  })
})
