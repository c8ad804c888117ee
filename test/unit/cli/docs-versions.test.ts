import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readWorkspace } from '../../../src/cli/workspace'
import type { SchemaContent } from '../../../src/domain/contents'
import { classOf } from '../../../src/domain/diff'
import { kindNames } from '../../../src/domain/version'
import { kindOf } from '../../../src/kinds'
import { schemaKind } from '../../../src/kinds/schema'
import { schemaRules } from '../../../src/kinds/schema-rules'
import type { Store } from '../../../src/store/store'
import { testStore } from '../../support/ground'

const docs = readFileSync('docs/versions.md', 'utf8')
/** The YAML blocks of the page; the first line of each names its file. */
const blocks = [...docs.matchAll(/```yaml\n# (\S+)\n([\s\S]*?)```/g)].map(([, file = '', text = '']) => ({
  file,
  text,
}))

describe('docs/versions.md', () => {
  let store: Store
  let drop: () => Promise<void>
  const folder = mkdtempSync(join(tmpdir(), 'docs-'))
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    for (const { file, text } of blocks) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), text)
    }
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await drop()
  })

  it('shows files that make a workspace which can be registered', async () => {
    const { artifacts, tasks, tenants, notices } = await readWorkspace(folder)
    expect(notices).toEqual([])
    expect(new Set(artifacts.map((artifact) => artifact.kind))).toEqual(new Set(kindNames))
    expect([tasks.length, tenants.length]).toEqual([1, 1])
    for (const { file: _file, notices: _notices, parents: _parents, rows: _rows, ...draft } of artifacts) {
      await store.catalog.register({ ...draft, author: 'ann' })
    }
    for (const task of tasks) await store.catalog.putTask(task, 'ann')
  })

  it('says truly what each edit of a schema is worth', () => {
    const cell = '\\| `(.+?)` ?'
    const rows = [...docs.matchAll(new RegExp(`^${cell.repeat(3)}\\| (safe|breaking) \\|$`, 'gm'))]
    const told = new Set<string>()
    for (const [, before = '', after = '', rule = '', risk = ''] of rows) {
      const edit = [before, after].map((text) => JSON.parse(text)) as [SchemaContent, SchemaContent]
      for (const schema of edit) expect(schemaKind.schema.safeParse(schema).error).toBeUndefined()
      const changes = schemaKind.diff(...edit, (digest) => digest)
      expect([before, after, changes.map((change) => change.rule)]).toEqual([
        before,
        after,
        expect.arrayContaining([rule]),
      ])
      expect([before, after, classOf(changes)]).toEqual([before, after, risk])
      told.add(rule)
    }
    const elsewhere = ['dialect_changed', 'too_large']
    expect([...told, ...elsewhere].sort()).toEqual(Object.keys(schemaRules).sort())
    for (const rule of elsewhere) expect(docs).toContain(`\`${rule}\``)
  })

  it('names every kind and its folder', () => {
    for (const kind of kindNames) expect(docs).toContain(`| ${kind} | \`${kindOf(kind).folder}\` |`)
  })
})
