import { createModuleSandbox, type ModuleSandbox } from '../../../src/scorers/module-sandbox'

const open: ModuleSandbox[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((sandbox) => sandbox.close()))
})

/** As long as a busy machine may keep a process waiting, where the time is not what is tested. */
const ampleMs = 60_000

function sandboxOf(source: string, timeoutMs = ampleMs): ModuleSandbox {
  const sandbox = createModuleSandbox(source, timeoutMs)
  open.push(sandbox)
  return sandbox
}

const run = (source: string, given: unknown = {}, timeoutMs?: number): Promise<unknown> =>
  sandboxOf(source, timeoutMs).run(given)

describe('a function of a suite', () => {
  it('gets the sample and gives a score', async () => {
    await expect(run('({ text }) => text.length / 10', { text: 'hello' })).resolves.toBe(0.5)
    await expect(run('function (sample) { return { value: 1, note: "fine" } } // done')).resolves.toEqual({
      value: 1,
      note: 'fine',
    })
  })

  it('keeps nothing from one sample to the next', async () => {
    const { run: next } = sandboxOf('() => { globalThis.seen = (globalThis.seen ?? 0) + 1; return globalThis.seen }')
    expect(await Promise.all([next({}), next({}), next({})])).toEqual([1, 1, 1])
    const { run: poisoned } = sandboxOf('({ text }) => { Array.prototype.map = () => 0; return [1].map((x) => x) }')
    expect(await poisoned({})).toBe(0)
    await expect(run('() => [1].map((x) => x)[0]')).resolves.toBe(1)
  })

  it.each([
    ["() => { throw new Error('no') }", /failed: Error: no/],
    ['({ text }) => text.length', /failed: TypeError/],
    ['() => Math.random()', /the same sample gets the same score/],
    ['() => Date.now()', /Date is not defined/],
    ["() => require('fs')", /require is not defined/],
    ['() => process.env', /process is not defined/],
    ["() => fetch('http://127.0.0.1')", /fetch is not defined/],
    ["() => globalThis.constructor.constructor('return process')()", /failed: EvalError/],
    ["() => (() => {}).constructor('return 1')()", /failed: EvalError/],
    ['() => new WebAssembly.Memory({ initial: 1 })', /WebAssembly is not defined/],
    ['() => new Uint8Array(2 ** 30)', /Uint8Array is not defined/],
    ["() => { throw { toString() { throw 'twice' } } }", /it could not be run/],
    ['() => { JSON.stringify = () => ({}); throw 1 }', /failed: 1/],
    ['function again() { return again() }', /failed: RangeError/],
  ])('%s is an error', async (source, message) => {
    await expect(run(source)).rejects.toThrow(message)
  })

  it('is ended when it takes too long, and the next sample is scored', async () => {
    const { run: next } = sandboxOf('({ n }) => { while (n === 1); return n }', 2_000)
    const [first, second] = await Promise.allSettled([next({ n: 1 }), next({ n: 2 })])
    expect(first).toMatchObject({ status: 'rejected', reason: { message: 'the function took longer than 2000 ms' } })
    expect(second).toEqual({ status: 'fulfilled', value: 2 })
  })

  // Each of these ends its whole process: a worker thread would take the server with it.
  it.each([["() => 'a'.repeat(2 ** 28).split('')"], ['() => { const all = []; for (;;) all.push({}) }']])(
    '%s is ended alone, and the next sample is scored',
    async (source) => {
      const { run: next } = sandboxOf(`({ harm }) => (harm ? (${source})() : 1)`)
      await expect(next({ harm: true })).rejects.toThrow(/used more than 64 MB/)
      await expect(next({ harm: false })).resolves.toBe(1)
    },
  )

  it('tells nothing but text to the sandbox, and takes nothing else from it', async () => {
    const hostile = { text: "'); process.exit(1); ('", __proto__: { evil: true } }
    await expect(run('({ text }) => text', hostile)).resolves.toBe(hostile.text)
    await expect(run('() => undefined')).resolves.toBeUndefined()
    await expect(run('async () => 1')).resolves.toEqual({})
    await expect(run("() => 'x'.repeat(3e6)")).rejects.toThrow(/used more than|did not come to an end/)
  })
})
