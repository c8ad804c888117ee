import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetchTemporalProgram, probe } from '../../../src/embedded/download'
import { silent } from '../../../src/embedded/progress'

describe('the download of a Temporal program', () => {
  let folder: string
  let server: Server
  let host: string
  let archiveStatus: number
  const asked: string[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-download-'))
    writeFileSync(join(folder, 'temporal'), 'a program')
    execFileSync('tar', ['-czf', 'archive.tar.gz', 'temporal'], { cwd: folder })
    const archive = readFileSync(join(folder, 'archive.tar.gz'))
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      if (request.url === '/archive.tar.gz') response.writeHead(archiveStatus).end(archive)
      else if (request.url?.startsWith('/cli/v1.5.1?')) {
        response.end(JSON.stringify({ archiveUrl: `${host}/archive.tar.gz`, fileToExtract: 'temporal' }))
      } else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  beforeEach(() => {
    archiveStatus = 200
    asked.length = 0
  })
  afterAll(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })

  const target = (): string => mkdtempSync(join(folder, 'target-'))

  it('asks where the archive for this platform lies and unpacks the program from it', async () => {
    const into = target()
    const program = await fetchTemporalProgram({ artifact: 'cli', version: 'v1.5.1', host }, into, silent)
    expect(readFileSync(join(into, program), 'utf8')).toBe('a program')
    expect(readdirSync(into)).toEqual(['temporal'])
    expect(asked[1]).toMatch(/^GET \/cli\/v1\.5\.1\?arch=(amd64|arm64)&platform=(linux|darwin)&format=tar\.gz&/)
  })

  it('fails with the answer when the version or the archive is not there', async () => {
    const unknown = fetchTemporalProgram({ artifact: 'cli', version: 'v0', host }, target(), silent)
    await expect(unknown).rejects.toThrow(`${host} answered 404 for cli v0`)
    archiveStatus = 503
    const away = fetchTemporalProgram({ artifact: 'cli', version: 'v1.5.1', host }, target(), silent)
    await expect(away).rejects.toThrow(`${host}/archive.tar.gz answered 503`)
  })

  it('counts any HTTP answer as reached, and names a host that is not', async () => {
    await probe(`${host}/nothing-here`)
    await expect(probe('http://sluice.invalid')).rejects.toThrow(/^sluice\.invalid cannot be reached \(\w+\)$/)
  })
})
