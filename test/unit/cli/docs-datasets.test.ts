import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { maxDatasetColumns, maxDatasetRows } from '../../../src/kinds/dataset'
import { type TestApi, testApi } from '../../support/api'
import { runIn } from '../../support/cli-ground'

const docs = readFileSync('docs/datasets.md', 'utf8')
/** The files of the page: the first line of each block names its file. */
const files = [...docs.matchAll(/```(?:yaml|jsonl|js)\n(?:#|\/\/) (\S+)\n([\s\S]*?)```/g)]
const commands = [...docs.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, text = '']) => text.trim().split('\n'))
  .map((line) => line.replace(/\s+#.*$/, '').replace(/^sluice /, ''))
const answer = /```text\n([\s\S]*?)```/.exec(docs)?.[1] ?? ''

describe('docs/datasets.md', () => {
  let api: TestApi
  const folder = mkdtempSync(join(tmpdir(), 'docs-datasets-'))
  const sluice = (line: string) => runIn(folder, { SLUICE_URL: api.url, SLUICE_API_KEY: api.key }, line.split(' '))
  beforeAll(async () => {
    api = await testApi()
    for (const [, file = '', text = ''] of files) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), text)
    }
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await api.stop()
  })

  it('shows a workspace that can be pushed, and commands that do what it says', async () => {
    expect(files.length).toBeGreaterThan(5)
    expect(await sluice('push .')).toMatchObject({ code: 0, err: expect.stringContaining('3 rows, sent') })
    expect(commands.length).toBeGreaterThan(5)
    for (const command of commands)
      expect([command, await sluice(command)]).toMatchObject([command, { code: 0, err: '' }])
    expect((await sluice('dataset rerun dataset/long-calls@1.0.0')).out).toContain('agrees, 2 rows')
    expect((await sluice('diff dataset/calls@1.0.0 dataset/calls@1.1.0')).out).toContain(answer)
    expect(answer).toContain('changed')
  })

  it('names the limits that hold', () => {
    for (const limit of [maxDatasetRows, maxDatasetColumns]) expect(docs).toContain(limit.toLocaleString('en'))
  })
})
