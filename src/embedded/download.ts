import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { runCommand } from './command'
import type { Progress } from './progress'

const probeMs = 4000

/** Throws within seconds when a host cannot be reached; any HTTP answer counts as reached. */
export async function probe(url: string): Promise<void> {
  try {
    await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(probeMs) })
  } catch (error) {
    throw new Error(`${new URL(url).host} cannot be reached (${faultOf(error)})`)
  }
}

function faultOf(error: unknown): string {
  const { name, cause, message } = error as Error & { cause?: { code?: string } }
  if (name === 'TimeoutError') return `no answer within ${probeMs / 1000} s`
  return cause?.code ?? message
}

const stallMs = 60_000
const downloadMs = 20 * 60_000
const bytesPerLine = 32 * 1024 * 1024

/** Streams a file to disk; gives up when nothing arrives for a minute. */
export async function download(url: string, path: string, progress: Progress): Promise<void> {
  const stalled = new AbortController()
  let timer = setTimeout(() => stalled.abort(new Error('nothing arrived for a minute')), stallMs)
  try {
    const signal = AbortSignal.any([stalled.signal, AbortSignal.timeout(downloadMs)])
    const response = await fetch(url, { signal })
    if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`)
    let bytes = 0
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        timer = refresh(timer, stalled)
        if (Math.floor(bytes / bytesPerLine) < Math.floor((bytes + chunk.length) / bytesPerLine)) {
          progress(`${Math.round((bytes + chunk.length) / 1024 / 1024)} MB`)
        }
        bytes += chunk.length
        done(undefined, chunk)
      },
    })
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(path), { signal })
  } finally {
    clearTimeout(timer)
  }
}

function refresh(timer: NodeJS.Timeout, stalled: AbortController): NodeJS.Timeout {
  clearTimeout(timer)
  return setTimeout(() => stalled.abort(new Error('nothing arrived for a minute')), stallMs)
}

const unpackMs = 120_000

/** Unpacks a .tar.gz (or, where tar can, .zip) archive into the folder and removes it. */
export async function unpack(archive: string, folder: string): Promise<void> {
  await runCommand('tar', ['-xf', archive, '-C', folder], { timeoutMs: unpackMs })
  await rm(archive)
}

const temporalDownloads = 'https://temporal.download'

/**
 * Fetches a program as Temporal's SDKs do: ask `temporal.download` where the archive for this platform lies and
 * which file in it is the program. Source: sdk-core, `ephemeral_server`.
 */
export async function fetchTemporalProgram(
  request: { readonly artifact: string; readonly version: string; readonly host?: string },
  folder: string,
  progress: Progress,
): Promise<string> {
  const host = request.host ?? temporalDownloads
  await probe(host)
  const query = new URLSearchParams({
    arch: process.arch === 'arm64' ? 'arm64' : 'amd64',
    platform: process.platform === 'darwin' ? 'darwin' : 'linux',
    format: 'tar.gz',
    'sdk-name': 'sdk-typescript',
    'sdk-version': '1.24.0',
  })
  const response = await fetch(`${host}/${request.artifact}/${request.version}?${query}`, {
    signal: AbortSignal.timeout(stallMs),
  })
  if (!response.ok) throw new Error(`${host} answered ${response.status} for ${request.artifact} ${request.version}`)
  const { archiveUrl, fileToExtract } = (await response.json()) as { archiveUrl?: unknown; fileToExtract?: unknown }
  if (typeof archiveUrl !== 'string' || typeof fileToExtract !== 'string') {
    throw new Error(`${host} did not say where ${request.artifact} ${request.version} lies`)
  }
  const archive = join(folder, 'archive.tar.gz')
  await download(archiveUrl, archive, progress)
  await unpack(archive, folder)
  return fileToExtract
}
