import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { plainSnapshot, sdkServer } from '../support/sdk-server'
import { until } from '../support/until'

const application = `
  const { connect } = require(process.argv[1])
  connect({ url: process.argv[2], apiKey: 'any', environment: 'production', flushIntervalMs: 3_600_000 }).then((sluice) => {
    const serving = sluice.resolve('csat', { tenant: 'acme', conversation: 'c-1', startedAt: Date.now() })
    sluice.report(serving, { requestId: 'r-1', outcome: 'ok', latencyMs: 1, costUsd: 0 })
    process.stdin.resume() // what it does: read until there is no more
  })
`

it('an application that has nothing left to do ends by itself, with what it reported delivered', async () => {
  const server = await sdkServer(plainSnapshot())
  const sdk = join(__dirname, '../../dist/src/sdk')
  const child = spawn(process.execPath, ['-e', application, sdk, server.url], { stdio: ['pipe', 'ignore', 'inherit'] })
  let code: number | null | undefined
  child.on('exit', (given) => {
    code = given
  })
  try {
    await until('the stream is open', async () => server.streams > 0)
    expect(code).toBeUndefined()
    child.stdin.end()
    await until('the application ended', async () => code !== undefined)
    expect(code).toBe(0)
    const told = server.posted.flatMap(({ body }) => body.requests ?? [])
    expect(told.map(({ requestId }) => requestId)).toEqual(['r-1'])
  } finally {
    child.kill('SIGKILL')
    await server.end()
  }
})
