import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestApi, testApi } from '../support/api'
import { engineContent, registration } from '../support/contents'
import { scored } from '../support/scores'

/** Every command line of the shell blocks of a page. */
const commandsOf = (page: string): readonly string[] =>
  [...readFileSync(page, 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .filter((line) => line.startsWith('sluice '))
      .map((line) => line.slice('sluice '.length)),
  )

const commands = ['docs/composites.md', 'docs/lineage.md'].flatMap((page) =>
  commandsOf(page).map((command) => [page, command] as const),
)

describe('the examples of', () => {
  let api: TestApi
  const folder = mkdtempSync(join(tmpdir(), 'docs-'))
  beforeAll(async () => {
    api = await testApi()
    const { catalog, ledger } = api.store
    const register = async (ref: string, content: unknown) =>
      (await catalog.register(registration(ref, content))).version.digest
    await register('engine/small@1.0.0', engineContent)
    await register('prompt/csat@1.1.0', { text: 'Rate {{call}}' })
    await register('prompt/csat@1.2.0-exp.2', { text: 'Rate {{call}} shortly' })
    await register('dataset/cases@1.0.0', { rows: [{ id: 'a' }] })
    const scorers = [{ name: 'mood', scorer: 'exact' }]
    const content = { dataset: 'cases@1.0.0', scorers, primary: 'mood', thresholds: { minAccuracy: 0.6 } }
    const suite = await register('suite/calls@1.0.0', content)
    const policy = await register('policy/direct@1.0.0', { environments: ['production'] })
    const roles = { prompt: 'csat@1.1.0', engine: 'small@1.0.0' }
    await catalog.putTask({ name: 'csat-scoring', roles, suite: 'calls@1.0.0', policy: 'direct@1.0.0' }, 'ann')
    for (const prompt of ['csat@1.1.0', 'csat@1.2.0-exp.2']) {
      const { id } = await catalog.commitComposite({ ...roles, prompt })
      await scored(api.store, { candidate: id, suite, policy }, ['pass', 0.75])
      if (prompt !== 'csat@1.1.0') continue
      const draft = { cause: 'settle', by: 'ann', salt: 'release-1', exposure: [], incumbent: id } as const
      const place = { environment: 'production', task: 'csat-scoring', key: 'release-1/settle' }
      await ledger.forward({ ...place, draft, expectedBase: 0, policy, leadMs: 0 })
    }
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await api.stop()
  })

  it.each(commands)('%s: sluice %s', async (_, command) => {
    const words = command.match(/"[^"]*"|\S+/g) ?? []
    const args = words.map((word) =>
      word.replaceAll('"', '').replace(/^csat\.composite$/, join(folder, 'csat.composite')),
    )
    expect(await api.cli(...args)).toMatchObject({ code: 0, err: '' })
  })
})
