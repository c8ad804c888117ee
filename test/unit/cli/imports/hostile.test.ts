import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importers } from '../../../../src/cli/imports'
import { openSource } from '../../../../src/cli/imports/source'
import { withFolder } from '../../../support/folder'
import { importFiles } from '../../../support/import'

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...[...'bcdefgh'].map((key, place) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[place]}`).join(', ')}]`),
].join('\n')
const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
const hostile = {
  'aliases that grow': bomb,
  'nesting without end': deep,
  'a nested mapping': `{"a":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
  'nesting of megabytes': '['.repeat(3_900_000),
  'a list in a list in a list': '- '.repeat(100_000),
  'a hundred thousand keys': Array.from({ length: 100_000 }, (_, place) => `k${place}: v`).join('\n'),
  'binary junk': Buffer.from([0x89, 0x50, 0xff, 0x00, 0xfe]),
  'text with NUL': '{"name":"a\u0000"}\u0000',
  'half a file': '{"name": ',
  nothing: '',
}

describe.each(Object.keys(importers))('import %s', (format) => {
  const files = {
    langfuse: 'x.json',
    openai: 'x.json',
    promptfoo: 'promptfooconfig.yaml',
    'openai-evals': 'x.jsonl',
    dotprompt: 'x.prompt',
  }[format] as string
  it.each(Object.entries(hostile))('refuses %s', async (_, text) => {
    const held = format === 'dotprompt' && typeof text === 'string' && text !== '' ? `---\n${text}\n---\n{{` : text
    const run = await importFiles(format, { [files]: held })
    // An empty prompt is a prompt that is lost; everything else cannot be read.
    expect([1, 3]).toContain(run.code)
    expect(['malformed_file', 'lossy_import']).toContain(run.error.code)
    expect(run.files).toEqual({})
  })
  it('refuses a folder without anything to read, and a path that is not there', async () => {
    expect((await importFiles(format, { 'README.rst': 'x' })).error.code).toBe('malformed_file')
    expect((await importFiles(format, {}, { path: 'gone' })).error.code).toBe('malformed_file')
  })
})

describe('what is imported', () => {
  it.each(['file://../secret.txt', 'file:///etc/hostname', 'file://sub/../../secret.txt'])(
    'never reaches %s',
    async (named) => {
      const run = await importFiles(
        'promptfoo',
        {
          'secret.txt': 'secret {{x}}',
          'in/promptfooconfig.yaml': `prompts: [${JSON.stringify(named.replace('hostname', 'hostname.txt'))}]`,
        },
        { path: 'in' },
      )
      expect(run).toMatchObject({ code: 1, error: { code: 'malformed_file' } })
      expect(run.error.message).toMatch(/outside/)
    },
  )

  it('follows no link to the outside, in a name or in a listing', () =>
    withFolder(async (folder) => {
      writeFileSync(join(folder, 'a.txt'), 'x')
      await withFolder(async (other) => {
        writeFileSync(join(other, 'secret.txt'), 'secret')
        symlinkSync(join(other, 'secret.txt'), join(folder, 'link.txt'))
        symlinkSync(other, join(folder, 'folder'))
        const source = openSource(folder)
        expect(source.files).toEqual(['a.txt'])
        expect(() => source.text('link.txt')).toThrow(/link to the outside/)
        expect(() => source.text('folder/secret.txt')).toThrow(/link to the outside/)
      })
    }))

  it('is bounded in the size of a file', async () => {
    const run = await importFiles('langfuse', { 'x.json': `"${'x'.repeat(4_000_001)}"` })
    expect(run.error).toMatchObject({ code: 'malformed_file', message: expect.stringMatching(/larger than 4000000/) })
  })

  it('is bounded in what lists of variables multiply to', async () => {
    const list = `[${Array.from({ length: 200 }, (_, place) => place).join(', ')}]`
    const test = `{ vars: { a: ${list}, b: ${list}, c: ${list} }, assert: [{ type: equals, value: x }] }`
    const run = await importFiles('promptfoo', { 'promptfooconfig.yaml': `prompts: [Hi there]\ntests: [${test}]` })
    expect(run.error).toMatchObject({ code: 'malformed_file', message: expect.stringMatching(/more than 20000 cases/) })
  })
})
