import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestApi, testApi } from '../../support/api'

const workspace = 'test/support/workspace'

describe('sluice push', () => {
  let api: TestApi
  let copy: string
  beforeAll(async () => {
    api = await testApi()
  })
  afterAll(() => api.stop())
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'workspace-'))
    cpSync(workspace, copy, { recursive: true })
  })
  afterEach(async () => {
    rmSync(copy, { recursive: true })
    await api.forget('versions', 'artifacts', 'rows', 'row_sets', 'tasks', 'task_revisions', 'tenants', 'tenantEntries')
  })

  const countVersions = () => api.store.database.collection('versions').countDocuments()

  it('registers the folder in the order of its references, then finds nothing new', async () => {
    const first = await api.cli('push', copy, '--json')
    expect(first.err).toBe('')
    const items = JSON.parse(first.out).items as { ref: string; outcome: string }[]
    expect(items.every((item) => item.outcome === 'new')).toBe(true)
    const place = (ref: string) => items.findIndex((item) => item.ref === ref)
    expect(place('field/mood@1.0.0')).toBeLessThan(place('mapping/report@1.0.0'))
    expect(place('dataset/cases@1.0.0')).toBeLessThan(place('suite/calls@1.0.0'))
    expect(place('task/call-review')).toBeLessThan(place('task/call-review-v2'))

    const before = await countVersions()
    const second = await api.cli('push', copy, '--json')
    const again = JSON.parse(second.out).items as { outcome: string }[]
    expect(again).toHaveLength(items.length)
    expect(again.every((item) => item.outcome === 'unchanged')).toBe(true)
    expect(await countVersions()).toBe(before)
    expect(await api.store.database.collection('task_revisions').countDocuments()).toBe(2)
    expect(await api.store.database.collection('tenantEntries').countDocuments()).toBe(2)
  })

  it('keeps what files say beside their content', async () => {
    await api.cli('push', copy)
    const greet = await api.store.catalog.version('prompt/greet@1.0.0')
    expect(greet).toMatchObject({ author: 'ann', provenance: { author: 'ann' } })
    expect(greet.content).toEqual({
      messages: [
        { role: 'system', content: 'You greet people. Write \\{{name}} where the name is not known.' },
        { role: 'user', content: 'Greet {{customer}}, who is {{ mood }}.' },
      ],
    })
    expect(await api.store.catalog.version('dataset/cases@1.0.0')).toMatchObject({
      content: { count: 3 },
      provenance: { source: 'made up' },
    })
    const task = await api.store.catalog.task('call-review')
    expect(task.roles['prompt.greeting']).toBe('prompt/greet@1.0.0')
  })

  it('puts tenants with the reason that the file gives', async () => {
    await api.cli('push', copy)
    expect(await api.store.tenants.current('acme')).toMatchObject({
      seq: 1,
      state: { ring: 'pilot', region: 'eu-west' },
    })
    expect(await api.store.tenants.current('beta')).toMatchObject({
      reason: 'joined in March',
      state: { ring: 'general' },
    })
    writeFileSync(join(copy, 'tenants.yaml'), 'tenants: [{ id: acme, ring: early }]\n')
    const { out } = await api.cli('push', copy)
    expect(out).toMatch(/^changed +tenant\/acme/m)
  })

  it('leaves a tenant as it is also where a page of others comes before it', async () => {
    await api.cli('push', copy)
    const heads = api.store.database.collection<{ _id: string; tenant: string }>('tenants')
    const head = await heads.findOne({ _id: 'acme' })
    const names = [...Array(500).keys()].map((place) => `aa-${String(place).padStart(3, '0')}`)
    await heads.insertMany(names.map((name) => ({ ...head, _id: name, tenant: name })))
    const { out } = await api.cli('push', copy, '--json')
    expect(JSON.parse(out).items).toContainEqual({ ref: 'tenant/acme', outcome: 'unchanged' })
  })

  it('registers the example as it is', async () => {
    const { code, out, err } = await api.cli('push', 'examples/airline')
    expect(err).toContain('200 rows')
    expect(code).toBe(0)
    expect(out).toContain('suite/airline@1.0.0')
    expect((await api.cli('push', 'examples/airline', '--json')).out).not.toContain('"new"')
  })

  it('says on the error stream what it did not take over', async () => {
    const { err, code } = await api.cli('push', copy)
    expect(code).toBe(0)
    expect(err).toContain('`model` is not part of a prompt')
  })

  it('writes nothing when one file of the folder is malformed, and names file and line', async () => {
    writeFileSync(join(copy, 'schemas/report/1.1.0.yaml'), 'description: why\ncontent:\n  type: [object\n')
    writeFileSync(join(copy, 'prompts/greet/x.yaml'), 'description: why\ntext: hello\n')
    const { code, err } = await api.cli('push', copy)
    expect(code).toBe(1)
    expect(err).toMatch(/schemas\/report\/1\.1\.0\.yaml:[34]: /)
    expect(err).toContain('prompts/greet/x.yaml: x is no semver')
    expect(await countVersions()).toBe(0)
  })

  it('writes nothing when the server would refuse one version, and says which class it has', async () => {
    await api.cli('push', copy)
    const before = await countVersions()
    writeFileSync(join(copy, 'prompts/greet/1.0.1.yaml'), 'description: shorter\ntext: Greet {{customer}}.\n')
    writeFileSync(join(copy, 'engines/small/1.0.1.yaml'), engineFile)
    const { code, err } = await api.cli('push', copy)
    expect(code).toBe(3)
    expect(err).toContain('prompts/greet/1.0.1.yaml: semver_understated')
    expect(err).toContain('2.0.0')
    expect(await countVersions()).toBe(before)
  })

  it.each([
    ['datasets/cases/1.0.0.jsonl', '{"id":"a"}\n{"id":\n', 'datasets/cases/1.0.0.jsonl:2: '],
    ['prompts/greet/1.0.0.prompt', '---\ndescription: why\n---\nHi {{#if x}}y{{/if}}\n', '1.0.0.prompt:4: {{#if x}}'],
    ['tasks/broken.yaml', 'roles: { judge: csat@1.0.0 }\nsuite: a@1.0.0\npolicy: b@1.0.0\n', 'implies no kind'],
    ['suites/calls/1.0.0.yaml', 'dataset: cases@1.0.0\n', 'description: says what changed and why'],
    ['engines/small/1.0.0.json', '{ "description": "why", "endpoint": "x", "modle": "m" }', 'modle'],
  ])('refuses a malformed %s', async (file, text, message) => {
    writeFileSync(join(copy, file), text)
    const { code, err } = await api.cli('push', copy)
    expect(err).toContain(message)
    expect(code).toBe(1)
    expect(await countVersions()).toBe(0)
  })

  it('refuses a task whose reference is neither in the folder nor registered', async () => {
    writeFileSync(
      join(copy, 'tasks/other.yaml'),
      'roles: { prompt: nobody@1.0.0 }\nsuite: calls@1.0.0\npolicy: short@1.0.0\n',
    )
    const { err } = await api.cli('push', copy)
    expect(err).toContain('tasks/other.yaml: unknown_ref')
    expect(await countVersions()).toBe(0)
  })
})

const engineFile = `
description: dearer
endpoint: simulated
model: small-1
pricePerMillion: { input: 0.5, cachedInput: 0.1, output: 1.6 }
`
