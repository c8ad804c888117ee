import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { RowSet } from '../kinds/kind'
import { textDigest } from '../store/canonical'
import { createRootHash, packDigest } from '../store/row-digests'
import type { ApiClient } from './client'
import { fileLines } from './row-file'

/** What the server says of a dataset, named by its root, its digest or a reference. */
export const rowSetOf = (api: ApiClient, dataset: string): Promise<RowSet> =>
  api.get<RowSet>(`/v1/datasets/${encodeURIComponent(dataset)}`)

export interface DownloadedRow {
  readonly digest: Digest
  /** RFC 8785, as the line is. */
  readonly text: string
}

/**
 * All rows of a set in order of their digests. They are hashed as they come: throws `digest_mismatch` at the end where
 * they are not the rows of this root, and `api_unreachable` where the answer breaks off.
 */
export async function* downloadRows(api: ApiClient, root: Digest): AsyncGenerator<DownloadedRow> {
  const answer = await api.open(`/v1/datasets/${root}/rows`, {}, { accept: 'application/x-ndjson' })
  const hash = createRootHash()
  try {
    const chunks = Readable.from(answer.body ?? []) as AsyncIterable<Uint8Array>
    for await (const { bytes } of fileLines(buffers(chunks), root)) {
      const text = bytes.toString('utf8')
      const digest = textDigest(text)
      hash.add(packDigest(digest))
      yield { digest, text }
    }
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('api_unreachable', `The rows of ${root} broke off: ${(error as Error).message}.`, { root })
  }
  if (hash.root() !== root) throw new SluiceError('digest_mismatch', `What came is not the rows of ${root}.`, { root })
}

async function* buffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** Writes the rows as a `.jsonl` file, which is there whole or not at all. */
export async function downloadFile(api: ApiClient, root: Digest, path: string): Promise<void> {
  const part = `${path}.part`
  try {
    await pipeline(Readable.from(lines(downloadRows(api, root)), { objectMode: false }), createWriteStream(part))
    await rename(part, path)
  } finally {
    await rm(part, { force: true })
  }
}

async function* lines(rows: AsyncIterable<DownloadedRow>): AsyncGenerator<string> {
  for await (const { text } of rows) yield `${text}\n`
}
