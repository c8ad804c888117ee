import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileLines, readRows } from '../../../src/cli/row-file'
import { maxRowBytes } from '../../../src/domain/row'

describe('the rows of a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'row-file-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  const rowsOf = async (bytes: string | Buffer) => {
    const path = join(folder, 'rows.jsonl')
    writeFileSync(path, bytes)
    const found: { readonly line: number; readonly row: unknown; readonly end: number }[] = []
    for await (const row of readRows({ path, file: 'rows.jsonl' })) found.push(row)
    return found
  }

  it('come one a line, past empty lines, CRLF and a byte order mark', async () => {
    const text = '\ufeff{"a":1}\r\n\r\n  \n{"a":"é\\u0000"}\n\n{"a":3}'
    const found = await rowsOf(text)
    expect(found.map(({ line, row }) => [line, row])).toEqual([
      [1, { a: 1 }],
      [4, { a: 'é\u0000' }],
      [6, { a: 3 }],
    ])
    expect(found.at(-1)?.end).toBe(Buffer.byteLength(text))
  })

  it('come whole where a read of the file ends within one', async () => {
    async function* bytes(): AsyncGenerator<Buffer> {
      for (const byte of Buffer.from('{"a":"é"}\n\n{"b":2}\n')) yield Buffer.from([byte])
    }
    const lines: [number, string][] = []
    for await (const { line, bytes: found } of fileLines(bytes(), 'x')) lines.push([line, found.toString()])
    expect(lines).toEqual([
      [1, '{"a":"é"}'],
      [2, ''],
      [3, '{"b":2}'],
    ])
  })

  it('may have numbers that doubles hold, however long, and long digits in texts', async () => {
    const text =
      '{"a":100000000000000000000,"b":9007199254740991,"c":0.12345678901234567,"d":"x\\"12345678901234567890"}'
    expect((await rowsOf(text))[0]?.row).toEqual(JSON.parse(text))
  })

  it.each<[string, string | Buffer, RegExp]>([
    ['no JSON', '{"a":1}\n{"a":\n', /rows\.jsonl:2: /],
    ['a list', '{"a":1}\n\n[1]\n', /rows\.jsonl:3: is no JSON object/],
    ['NaN', '{"a":NaN}', /rows\.jsonl:1: /],
    ['a number beyond all doubles', '{"a":1}\n{"a":1e999}', /rows\.jsonl:2: has a number that is not finite/],
    ['an integer that would be rounded', '{"a":[12345678901234567890]}', /:1: has the number 12345678901234567890/],
    [
      'invalid UTF-8',
      Buffer.from([...Buffer.from('{"a":1}\n{"a":"'), 0xc3, 0x28, ...Buffer.from('"}')]),
      /:2: is no valid UTF-8/,
    ],
    ['a byte order mark elsewhere', '{"a":1}\n\ufeff{"a":1}', /rows\.jsonl:2: /],
    ['__proto__', '{"a":1}\n{"__proto__":{}}', /rows\.jsonl:2: has the reserved key __proto__/],
    ['deep nesting', `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, /rows\.jsonl:1: is nested more than 100 deep/],
    ['a text that looks like many numbers', `{"a":"${'\\"12345678901234567890'.repeat(100_000)}",}`, /rows\.jsonl:1: /],
    ['nothing', '\n\n', /rows\.jsonl:1: has no rows/],
  ])('are refused with the line where there is %s', async (_, bytes, message) => {
    await expect(rowsOf(bytes)).rejects.toMatchObject({
      code: 'malformed_file',
      message: expect.stringMatching(message),
    })
  })

  it('are refused as soon as a line is too long, before it ends', async () => {
    let given = 0
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        given += 1_000_000
        yield Buffer.alloc(1_000_000, 'x')
      }
    }
    await expect(fileLines(endless(), 'x').next()).rejects.toMatchObject({ code: 'malformed_file' })
    expect(given).toBeLessThan(maxRowBytes + 2_000_000)
  })
})
