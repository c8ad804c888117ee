import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestApi, testApi } from '../../support/api'
import { filesIn, withFolder } from '../../support/folder'

describe('sluice pull', () => {
  let from: TestApi
  let to: TestApi
  beforeAll(async () => {
    const made = await Promise.all([testApi(), testApi()])
    from = made[0]
    to = made[1]
    expect((await from.cli('push', 'examples/airline')).code).toBe(0)
  })
  afterAll(async () => {
    await from.stop()
    await to.stop()
  })
  const versionsOf = async ({ store }: TestApi) =>
    (await store.catalog.versions({ limit: 200 })).map(({ kind, name, semver, digest }) => [kind, name, semver, digest])
  const compositeOf = async ({ store }: TestApi) =>
    (await store.catalog.commitComposite((await store.catalog.task('csat-scoring')).roles)).id

  it('brings the example to an empty server under the same digests and composite', () =>
    withFolder(async (folder) => {
      const pulled = await from.cli('pull', folder, '--json')
      expect(pulled.err).toBe('')
      expect(JSON.parse(pulled.out)).toMatchObject({ tenants: 40, tasks: ['csat-scoring'], notices: [] })
      expect((await to.cli('push', folder)).code).toBe(0)
      expect(await versionsOf(to)).toEqual(await versionsOf(from))
      expect(await compositeOf(to)).toBe(await compositeOf(from))
      expect((await to.store.tenants.list({ limit: 500 })).map(({ tenant, state }) => [tenant, state])).toEqual(
        (await from.store.tenants.list({ limit: 500 })).map(({ tenant, state }) => [tenant, state]),
      )
    }))

  it('leaves files that say the same as they are, also those of a person', () =>
    withFolder(async (folder) => {
      const prompt = 'prompts/csat/1.0.0.yaml'
      await from.cli('pull', folder, 'prompt/csat@1.0.0')
      const before = filesIn(folder)
      const again = await from.cli('pull', folder, 'prompt/csat@1.0.0', '--json')
      expect(JSON.parse(again.out).files).toEqual([{ file: prompt, outcome: 'unchanged' }])
      expect(filesIn(folder)).toEqual(before)
      const byHand = readFileSync(join('examples/airline', prompt), 'utf8')
      writeFileSync(join(folder, prompt), `# by hand\n${byHand}`)
      expect(JSON.parse((await from.cli('pull', folder, 'prompt/csat@1.0.0', '--json')).out).files).toEqual([
        { file: prompt, outcome: 'unchanged' },
      ])
      expect(readFileSync(join(folder, prompt), 'utf8')).toContain('# by hand')
    }))

  it('writes over nothing with other content, and then nothing at all; --force does', () =>
    withFolder(async (folder) => {
      const file = join(folder, 'prompts/csat/1.0.0.json')
      mkdirSync(join(folder, 'prompts/csat'), { recursive: true })
      writeFileSync(file, '{"description":"mine","text":"other"}')
      const refused = await from.cli('pull', folder, '--json')
      expect(refused.code).toBe(3)
      expect(JSON.parse(refused.err)).toMatchObject({
        code: 'file_differs',
        details: { files: ['prompts/csat/1.0.0.json'] },
      })
      expect(Object.keys(filesIn(folder))).toEqual(['prompts/csat/1.0.0.json'])
      expect((await from.cli('pull', folder, '--force')).code).toBe(0)
      const files = filesIn(folder)
      expect(files['prompts/csat/1.0.0.json']).toBeUndefined()
      expect(files['prompts/csat/1.0.0.yaml']).toContain('You review customer-service calls')
      expect(Object.keys(files).filter((name) => name.includes('.part'))).toEqual([])
    }))

  it('pulls a task with all that it names and nothing else', () =>
    withFolder(async (folder) => {
      await from.cli('pull', folder, '--task', 'csat-scoring')
      const files = Object.keys(filesIn(folder))
      expect(files).toContain('tasks/csat-scoring.yaml')
      expect(files).toContain('datasets/airline-cases/1.0.0.jsonl')
      expect(files.filter((file) => file.startsWith('prompts/csat/'))).toEqual(['prompts/csat/1.0.0.yaml'])
      expect(files).not.toContain('tenants.yaml')
    }))

  it('goes on where a pull was cut short', () =>
    withFolder(async (folder) => {
      await from.cli('pull', folder, 'dataset/airline-cases')
      const whole = filesIn(folder)
      writeFileSync(join(folder, 'datasets/airline-cases/.1.0.0.yaml.part'), 'half')
      expect((await from.cli('pull', folder, 'dataset/airline-cases')).code).toBe(0)
      const { 'datasets/airline-cases/.1.0.0.yaml.part': half, ...rest } = filesIn(folder)
      expect([half, rest]).toEqual(['half', whole])
    }))

  it('passes over what retention dropped, and says so', () =>
    withFolder(async (folder) => {
      const { catalog, database } = to.store
      const old = { kind: 'prompt' as const, name: 'old', semver: '1.0.0', content: { text: 'old' } }
      await catalog.register({ ...old, author: 'ann', description: 'an experiment' })
      const child = { ...old, semver: '1.1.0', content: { text: 'new' }, parents: ['prompt/old@1.0.0'] }
      await catalog.register({ ...child, author: 'ann', description: 'better' })
      const dropped = { what: 'content', at: 1, by: 'ann', why: 'old', run: 'r', bytes: 14 }
      await database.db
        .collection<{ _id: string }>('versions')
        .updateOne({ _id: 'prompt/old@1.0.0' }, { $set: { dropped } })
      const run = await to.cli('pull', folder, 'prompt/old')
      expect(run.err).toMatch(/prompt\/old@1.0.0 is not in the folder/)
      expect(Object.keys(filesIn(folder))).toEqual(['prompts/old/1.1.0.yaml'])
      expect(filesIn(folder)['prompts/old/1.1.0.yaml']).not.toContain('parents')
    }))

  it.each([
    [['prompt/none@1.0.0'], 'unknown_ref'],
    [['prompt/none'], 'unknown_ref'],
    [['--task', 'none'], 'unknown_task'],
    [['prompt/csat', '--all'], 'invalid_request'],
  ])('refuses %j', (args, code) =>
    withFolder(async (folder) => {
      const run = await from.cli('pull', folder, ...args, '--json')
      expect([run.code, JSON.parse(run.err).code]).toEqual([1, code])
      expect(filesIn(folder)).toEqual({})
    }),
  )
})
