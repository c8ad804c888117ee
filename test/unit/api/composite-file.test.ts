import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exitCodes } from '../../../src/cli/main'
import { type TestApi, testApi } from '../../support/api'

describe('a composite as a file, from server to server', () => {
  let here: TestApi
  let there: TestApi
  let id: string
  const folder = mkdtempSync(join(tmpdir(), 'composite-'))
  const file = join(folder, 'call-review.composite')
  beforeAll(async () => {
    here = await testApi()
    there = await testApi()
    await here.cli('push', 'test/support/workspace')
    const roles = { prompt: 'review@1.0.0', engine: 'small@1.0.0', schema: 'report@1.0.0', mapping: 'report@1.0.0' }
    id = (await here.store.catalog.commitComposite(roles)).id
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await here.stop()
    await there.stop()
  })

  it('is written by one and read by the other', async () => {
    const saved = await here.cli('composite', 'export', id, '-o', file, '--json')
    expect(saved.code).toBe(exitCodes.ok)
    const { digest, bytes } = JSON.parse(saved.out)
    expect(readFileSync(file).length).toBe(bytes)
    const loaded = await there.cli('composite', 'import', file, '--json')
    expect(loaded.code).toBe(exitCodes.ok)
    expect(JSON.parse(loaded.out)).toMatchObject({ composite: id, created: true, file: digest })
    const again = await there.cli('composite', 'import', file)
    expect(again.out).toContain('stood already')
    const verified = await there.cli('composite', 'verify', id)
    expect(verified).toMatchObject({ code: exitCodes.ok })
    const [served, original] = await Promise.all([there, here].map((api) => api.call('GET', `/v1/composites/${id}`)))
    expect(served?.body.contents).toEqual(original?.body.contents)
    expect(served?.body).toMatchObject({ origin: { file: digest }, tested: false, active: [], parents: [] })
  })

  it('is refused by name where it was altered, with nothing changed', async () => {
    const altered = join(folder, 'altered')
    writeFileSync(altered, readFileSync(file, 'utf8').replace('"author":"ann"', '"author":"eve"'))
    const before = await there.store.database.collection('versions').countDocuments()
    const { code, err } = await there.cli('composite', 'import', altered)
    expect(code).toBe(exitCodes.refused)
    expect(err).toMatch(
      /^digest_mismatch: Line 2 of the file, the version [a-z]+\/[a-z]+@1\.0\.0, is not what was exported/,
    )
    expect(await there.store.database.collection('versions').countDocuments()).toBe(before)
  })

  it('is answered also when the file is long and its first line is wrong', async () => {
    const long = join(folder, 'long')
    writeFileSync(long, `{"hash":"x"}\n${`${'x'.repeat(1_000_000)}\n`.repeat(20)}`)
    const { code, err } = await there.cli('composite', 'import', long)
    expect({ code, err }).toMatchObject({ code: exitCodes.refused, err: expect.stringContaining('Line 1') })
  })

  it('needs a file, and a body of its type', async () => {
    expect((await there.cli('composite', 'import', join(folder, 'nothing'))).err).toContain('malformed_file')
    const json = await there.call('POST', '/v1/composites/import', { a: 1 })
    expect(json).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    const nobody = await here.cli('composite', 'export', `sha256:${'0'.repeat(64)}`, '-o', join(folder, 'none'))
    expect(nobody.err).toContain('not_found')
  })

  it('leaves no file behind where the export breaks off', async () => {
    const versions = here.store.database.collection<{ _id: string; content: string }>('versions')
    const before = await versions.findOne({ _id: 'engine/small@1.0.0' })
    await versions.updateOne({ _id: 'engine/small@1.0.0' }, { $set: { content: '{}' } })
    const target = join(folder, 'broken')
    const { code } = await here.cli('composite', 'export', id, '-o', target)
    expect(code).toBe(exitCodes.failed)
    expect(() => readFileSync(target)).toThrow('ENOENT')
    expect(() => readFileSync(`${target}.unfinished`)).toThrow('ENOENT')
    await versions.updateOne({ _id: 'engine/small@1.0.0' }, { $set: { content: before?.content ?? '' } })
  })
})
