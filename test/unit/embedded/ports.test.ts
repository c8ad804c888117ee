import { createServer, type Server } from 'node:net'
import { portIsFree, reservePort } from '../../../src/embedded/ports'

const listen = (port: number): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server))
  })
const close = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve))

describe('a port', () => {
  it('is the preferred one while that is free', async () => {
    const first = await reservePort(undefined)
    first.release()
    const second = await reservePort(first.port)
    second.release()
    expect(second.port).toBe(first.port)
  })

  it('is none that the system hands out by itself, also while its server is down', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => reservePort(undefined)))
    for (const { release } of ports) release()
    for (const { port } of ports) expect(port).toBeLessThan(32_768)
  })

  it('is another one when something listens on the preferred one', async () => {
    const first = await reservePort(undefined)
    const server = await listen(first.port)
    first.release()
    expect(await portIsFree(first.port)).toBe(false)
    const second = await reservePort(first.port)
    second.release()
    await close(server)
    expect(second.port).not.toBe(first.port)
    expect(await portIsFree(first.port)).toBe(true)
  })

  it('is never given to two that ask at once, before either listens', async () => {
    const first = await reservePort(undefined)
    const others = await Promise.all(Array.from({ length: 10 }, () => reservePort(first.port)))
    const ports = [first, ...others].map(({ port }) => port)
    for (const reserved of [first, ...others]) reserved.release()
    expect(new Set(ports).size).toBe(ports.length)
  })

  it('that cannot be had is refused with the reason', async () => {
    // Of TEST-NET-3 (RFC 5737): no machine has it.
    await expect(reservePort(undefined, '203.0.113.1')).rejects.toThrow('EADDRNOTAVAIL')
  })
})
