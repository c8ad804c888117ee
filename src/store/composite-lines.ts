import { z } from 'zod'
import { type FileLine, fileFormat, fileVersion } from '../domain/composite-file'
import { type Digest, kindNames } from '../domain/version'
import { SluiceError } from '../errors'
import { digestSchema, nameSchema } from '../kinds/kind'
import { canonicalJson, textDigest } from './canonical'

/** A row has at most 3.5 MB and a version 1 MB of content; the rest of a line is small. */
const maxLineBytes = 8 * 1024 * 1024
const maxFileBytes = 16 * 1024 ** 3
const maxText = 10_000

/** One line that holds; `hash` binds it to all before it. */
export interface HeldLine {
  readonly number: number
  readonly value: FileLine
  readonly hash: Digest
}

/** A line is `{"hash":…,"value":…}`; the hash is over the one before and the text of the value. */
const hashOf = (prev: string, text: string): Digest => textDigest(`{"prev":${JSON.stringify(prev)},"value":${text}}`)

/** The text of a file, line by line; `prev` of the first is empty. */
export async function* writtenLines(lines: AsyncIterable<FileLine>): AsyncGenerator<string> {
  let prev = ''
  for await (const value of lines) {
    const text = canonicalJson(value)
    prev = hashOf(prev, text)
    yield `{"hash":"${prev}","value":${text}}\n`
  }
}

/**
 * The lines of a file as long as their hashes hold. Throws `digest_mismatch` naming the first line that is not as it was
 * written, `malformed_file` for one that was written otherwise, `payload_too_large`. Holds one line at a time.
 */
export async function* heldLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<HeldLine> {
  let prev = ''
  let number = 0
  for await (const line of bytesOfLines(bytes)) {
    number += 1
    const { hash, text } = parts(line, number)
    if (hash !== hashOf(prev, text)) throw altered(number, text)
    prev = hash
    yield { number, value: lineOf(text, number), hash }
  }
}

const head = /^\{"hash":"(sha256:[0-9a-f]{64})","value":/
const headLength = '{"hash":"","value":'.length + 'sha256:'.length + 64

function parts(line: Uint8Array, number: number): { readonly hash: Digest; readonly text: string } {
  const text = decoded(line)
  const hash = text === undefined ? undefined : head.exec(text.slice(0, headLength))?.[1]
  if (text === undefined || hash === undefined || !text.endsWith('}')) throw altered(number, '')
  return { hash: hash as Digest, text: text.slice(headLength, -1) }
}

function decoded(line: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line)
  } catch {
    // No UTF-8: it was not written like this.
    return undefined
  }
}

const digests = z.array(digestSchema).max(100)
const scored = z.strictObject({
  ref: z.string().max(300),
  digest: digestSchema,
  composite: digestSchema,
  evaluationId: z.string().max(300),
  verdict: z.enum(['pass', 'fail', 'no_evidence']),
  accuracy: z.number().exactOptional(),
})
const lineSchema = z.discriminatedUnion('line', [
  z.strictObject({
    line: z.literal('header'),
    format: z.literal(fileFormat),
    version: z.literal(fileVersion),
    composite: digestSchema,
    rows: z.boolean(),
  }),
  z.strictObject({
    line: z.literal('version'),
    kind: z.enum(kindNames),
    name: nameSchema,
    semver: z.string().max(maxText),
    digest: digestSchema,
    content: z.unknown(),
    author: z.string().max(maxText),
    createdAt: z.iso.datetime(),
    description: z.string().max(maxText),
    parents: digests,
    provenance: z.record(z.string(), z.unknown()).exactOptional(),
    promotion: z
      .strictObject({ suite: digestSchema, winner: scored, losers: z.array(scored).max(100) })
      .exactOptional(),
  }),
  z.strictObject({ line: z.literal('row'), row: z.record(z.string(), z.unknown()) }),
  z.strictObject({
    line: z.literal('composite'),
    id: digestSchema,
    roles: z.record(
      z.string(),
      z.strictObject({ kind: z.enum(kindNames), ref: z.string().max(300), digest: digestSchema }),
    ),
    parents: digests,
    createdAt: z.iso.datetime(),
  }),
  z.strictObject({ line: z.literal('end'), versions: z.int().min(0), rows: z.int().min(0) }),
]) satisfies z.ZodType<FileLine>

/** The hash holds, so the line is as somebody wrote it; it may still be of another version of Sluice. */
function lineOf(text: string, number: number): FileLine {
  const value = parsedJson(text)
  const parsed = lineSchema.safeParse(value)
  if (parsed.success) {
    // Validation copies records without a key `__proto__`: what was checked is what is used.
    return value as FileLine
  }
  const [issue] = parsed.error.issues
  const where = issue === undefined ? '' : ` (${issue.path.join('.') || 'line'}: ${issue.message})`
  const message = `Line ${number} is none that this version of Sluice reads${where}.`
  throw new SluiceError('malformed_file', message, { line: number })
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A line that holds no JSON fits no schema, which says so.
    return undefined
  }
}

/** Names what a line claims to be, where that can still be read. */
export function altered(number: number, text: string, what = 'it was altered'): SluiceError {
  const part = partOf(parsedJson(text))
  const message = `Line ${number} of the file${part === undefined ? '' : `, ${part},`} is not what was exported: ${what}.`
  return new SluiceError('digest_mismatch', message, { line: number, ...(part === undefined ? {} : { part }) })
}

function partOf(value: unknown): string | undefined {
  const { line, kind, name, semver, id } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (line === 'version') return `the version ${kind}/${name}@${semver}`
  if (line === 'composite') return `the composite ${id}`
  return typeof line === 'string' ? `the ${line}` : undefined
}

/** Lines without their line feed; the last one has one too. */
async function* bytesOfLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = []
  let restBytes = 0
  let total = 0
  let number = 1
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > maxFileBytes) throw tooLarge(`The file is larger than ${maxFileBytes} bytes`)
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)])
      rest = []
      restBytes = 0
      number += 1
      start = end + 1
    }
    restBytes += chunk.length - start
    if (restBytes > maxLineBytes) throw tooLarge(`Line ${number} is larger than ${maxLineBytes} bytes`)
    rest.push(Buffer.from(chunk.subarray(start)))
  }
  if (restBytes > 0) throw altered(number, '', 'it is cut off')
}

const tooLarge = (text: string): SluiceError => new SluiceError('payload_too_large', `${text}.`)
