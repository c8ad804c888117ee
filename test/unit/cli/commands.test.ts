import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findConnection } from '../../../src/cli/client'
import { buildProgram, everyCommand, exitCodes } from '../../../src/cli/main'
import { runCaptured, type TestApi, testApi } from '../../support/api'

describe('sluice', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await testApi()
    await api.cli('push', 'test/support/workspace')
  })
  afterAll(() => api.stop())

  it('shows a diff for people, with what breaks said in words', async () => {
    const safe = await api.cli('diff', 'prompt/review@1.0.0', 'prompt/review@1.0.1')
    expect(safe.code).toBe(exitCodes.ok)
    expect(safe.out).toContain('prompt/review@1.0.0 → prompt/review@1.0.1: safe (minor or patch)')
    const breaking = await api.cli('diff', 'prompt/review@1.0.0', 'prompt/greet@1.0.0')
    expect(breaking.out).toContain('- variable {{transcript}} removed   (breaking)')
  })

  it('answers one JSON document with --json, and nothing else', async () => {
    const { out } = await api.cli('diff', 'prompt/review@1.0.0', 'prompt/review@1.0.1', '--json')
    expect(JSON.parse(out)).toMatchObject({ changeClass: 'safe', changes: [{ class: 'safe' }] })
  })

  it('lists and shows artifacts', async () => {
    const list = await api.cli('artifact', 'ls', 'prompt/review')
    expect(list.out.trimEnd().split('\n')).toHaveLength(3)
    expect((await api.cli('artifact', 'ls', '--limit', '2')).out).toContain('More: --after ')
    const show = await api.cli('artifact', 'show', 'engine/small@1.0.0')
    expect(show.out).toContain('small-1 at simulated')
  })

  it('shows and verifies a composite', async () => {
    const { id } = await api.store.catalog.commitComposite({ prompt: 'review@1.0.0', engine: 'small@1.0.0' })
    expect((await api.cli('composite', 'show', id)).out).toContain('prompt/review@1.0.0')
    expect((await api.cli('composite', 'verify', id)).code).toBe(exitCodes.ok)
    await api.store.database
      .collection<{ _id: string }>('versions')
      .updateOne({ _id: 'engine/small@1.0.0' }, { $set: { content: '{}' } })
    const altered = await api.cli('composite', 'verify', id)
    expect(altered.code).not.toBe(exitCodes.ok)
    expect(altered.out).toContain('ALTERED')
  })

  it('lists and shows tasks', async () => {
    expect((await api.cli('task', 'ls')).out).toContain('call-review-v2')
    expect(JSON.parse((await api.cli('task', 'show', 'call-review', '--json')).out)).toMatchObject({
      suite: 'suite/calls@1.0.0',
    })
  })

  it.each<[readonly string[], number, string]>([
    [['artifact', 'show', 'prompt/nobody@1.0.0'], exitCodes.failed, 'unknown_ref'],
    [['artifact', 'show', 'prompt'], exitCodes.failed, 'malformed_ref'],
    [['artifact', 'ls', '--limit', '0'], exitCodes.usage, 'Give a number'],
    [['nonsense'], exitCodes.usage, 'unknown command'],
    [['diff', 'prompt/review@1.0.0'], exitCodes.usage, 'missing required argument'],
    [['push', 'no/such/folder'], exitCodes.failed, 'is no folder'],
  ])('ends %j with %i', async (args, code, message) => {
    const run = await api.cli(...args)
    expect(run.code).toBe(code)
    expect(run.err).toContain(message)
  })

  it('says what to do next beside the error, also as JSON', async () => {
    const text = await api.cli('artifact', 'show', 'prompt/nobody@1.0.0')
    expect(text.err).toContain('Push the artifact first')
    const json = await api.cli('artifact', 'show', 'prompt/nobody@1.0.0', '--json')
    expect(JSON.parse(json.err)).toMatchObject({ code: 'unknown_ref', help: expect.stringContaining('Push') })
  })

  it('says where nobody answers', async () => {
    const { code, err } = await runCaptured(['task', 'ls'], { url: 'http://127.0.0.1:1', apiKey: 'x' })
    expect(code).toBe(exitCodes.failed)
    expect(err).toContain('api_unreachable')
  })

  it('finds the instance that runs here by its run file, also from a folder below', () => {
    const folder = mkdtempSync(join(tmpdir(), 'run-'))
    mkdirSync(join(folder, '.sluice'))
    mkdirSync(join(folder, 'deep/er'), { recursive: true })
    writeFileSync(join(folder, '.sluice/admin.key'), 'secret\n')
    const run = { apiUrl: 'http://127.0.0.1:7420', adminKeyFile: '.sluice/admin.key' }
    writeFileSync(join(folder, '.sluice/run.json'), JSON.stringify(run))
    const from = join(folder, 'deep/er')
    const settings = { folder: join(folder, 'deep', '.sluice') }
    expect(findConnection(settings, from)).toEqual({ url: run.apiUrl, apiKey: 'secret' })
    expect(findConnection({ ...settings, url: 'http://x', apiKey: 'k' }, from)).toEqual({
      url: 'http://x',
      apiKey: 'k',
    })
    expect(() => findConnection({ ...settings, url: 'http://x' }, from)).toThrow('SLUICE_API_KEY')
    rmSync(folder, { recursive: true })
  })
})

describe('every command', () => {
  const output = { out: () => undefined, err: () => undefined }
  const program = buildProgram({ environment: {}, directory: '.', output })
  const leaves = everyCommand(program).filter((command) => command.commands.length === 0)

  it.each(leaves.map((command) => [command.name(), command] as const))(
    '%s has --json, says what it does and shows an example',
    (_, command) => {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) })
      command.outputHelp()
      expect(help).toContain('--json')
      expect(help).toMatch(/Examples?:\n {2}\$ sluice /)
      expect(command.description()).not.toBe('')
    },
  )
})
