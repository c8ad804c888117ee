import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { digestOf } from '../../../src/store/canonical'
import { type TestApi, testApi } from '../../support/api'

/** Keeps the rows from a minimum on, and says what it saw of its surroundings. */
const clean = `
const { readFileSync, writeFileSync } = require('node:fs')
const [input, parameters, output, seed] = process.argv.slice(2)
const { minimum } = JSON.parse(readFileSync(parameters, 'utf8'))
const rows = readFileSync(input, 'utf8').trim().split('\\n').map((line) => JSON.parse(line))
const kept = rows.filter((row) => row.n >= minimum)
console.log('variables: ' + Object.keys(process.env).filter((name) => name.startsWith('SLUICE')).join(','))
console.log('seed: ' + seed)
if (minimum === 99) process.exit(3)
writeFileSync(output, kept.map((row) => JSON.stringify({ seed: Number(seed), ...row }) + '\\n').join(''))
`
const rootOf = (rows: readonly unknown[]) => digestOf({ rows: rows.map(digestOf).sort() })
const numbered = (to: number) => Array.from({ length: to }, (_, n) => ({ id: `row-${n}`, n }))
const cleaned = (to: number) =>
  numbered(to)
    .filter(({ n }) => n >= 3)
    .map((row) => ({ seed: 7, ...row }))

describe('sluice dataset', () => {
  let api: TestApi
  let folder: string
  beforeAll(async () => {
    api = await testApi()
    folder = mkdtempSync(join(tmpdir(), 'dataset-'))
    write('scripts/clean.js', clean)
    dataset('raw/1.0.0', { rows: numbered(10) })
    dataset('raw/1.1.0', { rows: [...numbered(9), { id: 'row-9', n: 99 }, { id: 'row-10', n: 10 }] })
    dataset('clean/1.0.0', { rows: cleaned(10), steps: step('raw@1.0.0', 3) })
    dataset('lying/1.0.0', { rows: [...cleaned(9), { id: 'made up' }], steps: step('raw@1.0.0', 3) })
    dataset('failing/1.0.0', { rows: cleaned(10), steps: step('raw@1.0.0', 99) })
    dataset('chained/1.0.0', { rows: cleaned(10).slice(2), steps: chain(rootOf(cleaned(10))) })
    dataset('broken-chain/1.0.0', { rows: cleaned(10).slice(2), steps: chain(rootOf([{ id: 'never made' }])) })
    const { code, err } = await api.cli('push', folder)
    if (code !== 0) throw new Error(err)
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await api.stop()
  })

  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const dataset = (name: string, { rows, steps = '' }: { rows: readonly unknown[]; steps?: string }): void => {
    write(`datasets/${name}.yaml`, `description: made for a test\n${steps}`)
    write(`datasets/${name}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }
  const step = (input: string, minimum: number) => `steps:
  - inputs: { raw: ${input} }
    code: scripts/clean.js
    command: [node, "{code}", "{inputs.raw}", "{parameters}", "{output}", "{seed}"]
    parameters: { minimum: ${minimum} }
    seed: 7
`
  const chain = (between: string) => `${step('raw@1.0.0', 3)}    output: ${between}
  - code: scripts/clean.js
    command: [node, "{code}", "{previous}", "{parameters}", "{output}", "{seed}"]
    parameters: { minimum: 5 }
    seed: 7
`
  const last = (out: string) => JSON.parse(out.trim().split('\n').at(-1) ?? '')

  it('shows the first rows, with the count and the root', async () => {
    const { out, code } = await api.cli('dataset', 'rows', 'dataset/raw@1.0.0', '--limit', '3')
    expect(code).toBe(0)
    expect(out).toMatch(/^10 rows, root sha256:/)
    expect(out.match(/"id":"row-/g)).toHaveLength(3)
    expect(out).toContain('--out')
  })

  it('writes all rows to a file whose root is the same, with and without a server', async () => {
    const file = join(folder, 'back.jsonl')
    const { root } = last((await api.cli('dataset', 'rows', 'dataset/raw@1.0.0', '--out', file, '--json')).out)
    expect(readFileSync(file, 'utf8').split('\n').filter(Boolean)).toHaveLength(10)
    expect(existsSync(`${file}.part`)).toBe(false)
    const hashed = [file, join(folder, 'datasets/raw/1.0.0.jsonl')].map((path) =>
      api.cli('dataset', 'hash', path, '--json'),
    )
    for (const { out } of await Promise.all(hashed)) expect(JSON.parse(out)).toEqual({ root, count: 10 })
  })

  it('names the line of a file that it cannot hash', async () => {
    write('broken.jsonl', '{"a":1}\n{"a":\n')
    const { code, err } = await api.cli('dataset', 'hash', join(folder, 'broken.jsonl'))
    expect([code, err]).toEqual([1, expect.stringContaining('broken.jsonl:2: ')])
  })

  it('knows a dataset by its reference, its digest and its root', async () => {
    const { digest, content } = last((await api.cli('artifact', 'show', 'dataset/raw@1.0.0', '--json')).out)
    for (const name of [digest, content.root, 'raw@1.0.0']) {
      expect(last((await api.cli('dataset', 'rows', name, '--json')).out).root).toBe(content.root)
    }
    expect(await api.cli('dataset', 'rows', 'prompt/raw@1.0.0')).toMatchObject({
      code: 1,
      err: expect.stringContaining('malformed_ref'),
    })
    expect((await api.cli('dataset', 'rows', `sha256:${'0'.repeat(64)}`)).err).toContain('unknown_ref')
  })

  describe('rerun', () => {
    const rerun = (name: string, ...options: readonly string[]) =>
      api.cli('dataset', 'rerun', `dataset/${name}`, '--dir', folder, ...options)
    const folderOf = (out: string) => /\S*sluice-rerun-\w+/.exec(out)?.[0] ?? ''

    it('runs the steps on their inputs and finds the same rows', async () => {
      const { out, err, code } = await rerun('clean@1.0.0')
      expect(out).toMatch(/step 1: agrees, 7 rows with the root sha256:/)
      expect(out.indexOf('step 1: node ')).toBe(0)
      expect(err).toContain('seed: 7')
      expect(code).toBe(0)
      expect(folderOf(out)).not.toBe('')
      expect(existsSync(folderOf(out))).toBe(false)
    })

    it('runs one step on what the step before it made', async () => {
      const { out, code } = await rerun('chained@1.0.0')
      expect(code).toBe(0)
      expect(out).toMatch(/step 1: agrees, 7 rows.*step 2: agrees, 5 rows/s)
    })

    it('stops where a step makes other rows than the next one is said to have begun with', async () => {
      const { out, code } = await rerun('broken-chain@1.0.0')
      expect(code).toBe(1)
      expect(out).toContain('step 1: DIFFERS, the claimed rows are not stored, 7 made')
      expect(out).not.toContain('step 2')
    })

    it('gives the command nothing of the keys and settings of this product', async () => {
      process.env.SLUICE_API_KEY = 'secret'
      try {
        expect((await rerun('clean@1.0.0')).err).toMatch(/^variables: $/m)
      } finally {
        delete process.env.SLUICE_API_KEY
      }
    })

    it('says which rows differ, how many, and ends as failed', async () => {
      const { out, code } = await rerun('lying@1.0.0')
      expect(code).toBe(1)
      expect(out).toContain('DIFFERS, 7 rows claimed, 7 made')
      expect(out).toContain('1 rows are missing, 1 are new')
      expect(out).toContain('- {"id":"made up"}')
      expect(out).toContain('+ {"seed":7,"id":"row-9","n":9}')
      const { agrees, steps } = last((await rerun('lying@1.0.0', '--json')).out)
      expect(agrees).toBe(false)
      expect(steps[0]).toMatchObject({ agrees: false, counts: { claimed: 7, made: 7, missing: 1, surplus: 1 } })
    })

    it('shows the command without running it, when asked to', async () => {
      const kept = join(folder, 'dry')
      const { out, code } = await rerun('clean@1.0.0', '--dry-run', '--keep', kept)
      expect([code, out]).toEqual([0, expect.stringContaining('would be held against sha256:')])
      expect(existsSync(kept)).toBe(false)
    })

    it('shows the command before it runs, also as JSON', async () => {
      const { out } = await rerun('failing@1.0.0', '--json')
      expect(JSON.parse(out)).toMatchObject({ step: 1, command: expect.arrayContaining(['node']) })
    })

    it('keeps inputs and outputs where it is told to', async () => {
      const kept = join(folder, 'kept')
      expect((await rerun('clean@1.0.0', '--keep', kept)).code).toBe(0)
      expect(readdirSync(join(kept, 'step-1')).sort()).toEqual(['inputs', 'output.jsonl', 'parameters.json'])
      expect(readFileSync(join(kept, 'step-1/inputs/raw.jsonl'), 'utf8').trim().split('\n')).toHaveLength(10)
    })

    it('says so when the command fails', async () => {
      const { err, code } = await rerun('failing@1.0.0')
      expect([code, err]).toEqual([1, expect.stringContaining('step_failed: node: ended with 3')])
    })

    it('refuses other code than the one that made the rows, and runs nothing', async () => {
      write('other/scripts/clean.js', `${clean}\nconsole.log('other')`)
      const { err, out, code } = await api.cli(
        'dataset',
        'rerun',
        'dataset/clean@1.0.0',
        '--dir',
        join(folder, 'other'),
      )
      expect([code, out]).toEqual([3, ''])
      expect(err).toContain('digest_mismatch')
      const given = await rerun('clean@1.0.0', '--code', join(folder, 'other/scripts/clean.js'))
      expect(given.code).toBe(3)
      expect((await api.cli('dataset', 'rerun', 'dataset/clean@1.0.0', '--dir', tmpdir())).err).toContain('--code')
    })

    it('has nothing to run where a dataset names no steps', async () => {
      expect(await rerun('raw@1.0.0')).toMatchObject({ code: 1, err: expect.stringContaining('names no steps') })
    })
  })

  it('compares two datasets row by row', async () => {
    const { out, code } = await api.cli('diff', 'dataset/raw@1.0.0', 'dataset/raw@1.1.0')
    expect(code).toBe(0)
    expect(out).toContain('rows: 1 added, 0 removed, 1 changed, 9 the same')
    expect(out).toContain('~ "row-9": n 9 → 99')
    expect(out).toContain('+ {"id":"row-10","n":10}')
    const { rows } = last((await api.cli('diff', 'dataset/raw@1.0.0', 'dataset/raw@1.1.0', '--json')).out)
    expect(rows.counts).toEqual({ added: 1, removed: 0, changed: 1, unchanged: 9 })
    expect((await api.cli('diff', 'dataset/raw@1.0.0', 'dataset/raw@1.0.0')).out).toContain('all 10 are the same')
  })

  it.each([
    ['scripts/none.js', 'the code scripts/none.js is no file'],
    ['../clean.js', '../clean.js is no path within the workspace'],
    ['/etc/hostname', '/etc/hostname is no path within the workspace'],
  ])('is not pushed with %s as its code', async (path, message) => {
    const other = mkdtempSync(join(tmpdir(), 'dataset-code-'))
    mkdirSync(join(other, 'datasets/x'), { recursive: true })
    writeFileSync(
      join(other, 'datasets/x/1.0.0.yaml'),
      `description: why\nrows: [{ id: a }]\nsteps: [{ code: ${path}, command: [node] }]\n`,
    )
    const { err, code } = await api.cli('push', other)
    rmSync(other, { recursive: true })
    expect([code, err]).toEqual([1, expect.stringContaining(message)])
  })

  it('is not pushed with content beside its rows other than steps', async () => {
    const other = mkdtempSync(join(tmpdir(), 'dataset-content-'))
    mkdirSync(join(other, 'datasets/x'), { recursive: true })
    writeFileSync(join(other, 'datasets/x/1.0.0.yaml'), 'description: why\nrows: [{ id: a }]\n')
    writeFileSync(join(other, 'datasets/x/1.0.0.jsonl'), '{"id":"a"}\n')
    const { err } = await api.cli('push', other)
    rmSync(other, { recursive: true })
    expect(err).toContain('has content, and so has the .jsonl file beside it')
  })
})
