import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beginningOf } from '../../src/embedded/process-identity'

const root = join(__dirname, '..', '..')
/** Programs that stand in for the real ones in a checkout of their own: each notes in `calls` that it ran. */
const note = (word: string): string => `require('node:fs').appendFileSync('calls', '${word} ')\n`
const compiler = `${note('build')}process.exitCode = require('node:fs').existsSync('src/broken.ts') ? 2 : 0\n`
const packageManager = `${note('install')}

process.exitCode = process.argv.includes('--ignore-scripts') ? Number(process.env.TRIAL_INSTALL_CODE ?? 0) : 9
`
const testRunner = `${note('jest')}
if (process.env.TRIAL_TALLY) require('node:fs').writeFileSync(process.env.SLUICE_TALLY, process.env.TRIAL_TALLY)
console.log(process.argv.slice(2).join(' '))
process.exitCode = Number(process.env.TRIAL_CODE ?? 0)
`

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

describe('tools/run.mjs', () => {
  let checkout: string
  const write = (path: string, content: string): void => {
    mkdirSync(join(checkout, path, '..'), { recursive: true })
    writeFileSync(join(checkout, path), content)
  }
  beforeEach(() => {
    checkout = mkdtempSync(join(tmpdir(), 'sluice-checkout-'))
    for (const name of readdirSync(join(root, 'tools')).filter((file) => file.endsWith('.mjs'))) {
      cpSync(join(root, 'tools', name), join(checkout, 'tools', name))
    }
    write('package-lock.json', '{"packages":{"":{}}}')
    write('tsconfig.json', '{"include":["src"]}')
    write('src/one.ts', 'export const one = 1')
    write('npm.js', packageManager)
    write('node_modules/.package-lock.json', '{"packages":{}}')
    write('node_modules/typescript/bin/tsc', compiler)
    write('node_modules/jest/bin/jest.js', testRunner)
  })
  afterEach(() => rmSync(checkout, { recursive: true }))

  const start = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const env = { ...process.env, npm_execpath: join(checkout, 'npm.js'), ...environment }
    const child = spawn(process.execPath, [join(checkout, 'tools', 'run.mjs'), ...args], { env, cwd: tmpdir() })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    const ended = new Promise<Ran>((resolve) => child.once('close', (code) => resolve({ code, out, err })))
    return { ended, saysOnError: (words: string) => until(() => err.includes(words)) }
  }
  const run = (args: readonly string[], environment?: Readonly<Record<string, string>>) =>
    start(args, environment).ended
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve))
  }
  const calls = (): string => (existsSync(join(checkout, 'calls')) ? readFileSync(join(checkout, 'calls'), 'utf8') : '')

  it('says how to use it', async () => {
    const { code, err } = await run(['dance'])
    expect(code).toBe(2)
    expect(err).toMatch(/^Usage: node tools\/run\.mjs <demo \| start \| provision \| test \| build>/)
  })

  it.each([
    ['{"passed":3,"failed":0,"skipped":0}', 0, '3 passed, 0 failed', 0],
    ['{"passed":3,"failed":1,"skipped":0}', 1, '3 passed, 1 failed', 1],
    ['{"passed":3,"failed":1,"skipped":0}', 0, '3 passed, 1 failed', 1],
    ['{"passed":3,"failed":0,"skipped":2}', 0, '3 passed, 0 failed, 2 skipped', 0],
    ['{"passed":0,"failed":0,"skipped":2}', 0, '0 passed, 0 failed, 2 skipped', 1],
    ['', 0, '0 passed, 0 failed', 1],
    ['', 134, '0 passed, 0 failed', 134],
  ])('closes tests with one line: %s and jest ending with %i', async (tally, jestCode, line, code) => {
    const ran = await run(['test', 'some.test.ts'], { TRIAL_TALLY: tally, TRIAL_CODE: `${jestCode}` })
    expect(ran.out.split('\n')).toEqual(['some.test.ts', line, ''])
    expect(ran.code).toBe(code)
    expect(readdirSync(join(checkout, '.sluice'))).toEqual([])
  })

  it('builds when a source changed or is new, and only then', async () => {
    await run(['build'])
    await run(['build'])
    expect(calls()).toBe('build ')
    write('src/two.ts', 'export const two = 2')
    await run(['build'])
    rmSync(join(checkout, 'src', 'two.ts'))
    await run(['build'])
    expect(calls()).toBe('build build build ')
  })

  it('goes no further when the sources do not compile, and builds again the next time', async () => {
    write('src/broken.ts', 'export const')
    const { code, err } = await run(['test'])
    expect(code).toBe(1)
    expect(err).toContain('The sources do not compile.')
    await run(['test'])
    expect(calls()).toBe('build build ')
  })

  it('installs when the lock file asks for what is not there, and only then', async () => {
    write('package-lock.json', '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"}}}')
    await run(['build'])
    await run(['build'])
    expect(calls()).toBe('install build ')
    write('package-lock.json', '{"packages":{"":{},"node_modules/a":{"version":"1.0.1"}}}')
    await run(['build'])
    expect(calls()).toBe('install build install build ')
  })

  it('takes over what an npm install put there, and asks for no package of another platform', async () => {
    write('node_modules/.package-lock.json', '{"packages":{"node_modules/a":{"version":"1.0.0"}}}')
    write(
      'package-lock.json',
      '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"},"node_modules/b":{"version":"1.0.0","optional":true}}}',
    )
    await run(['build'])
    expect(calls()).toBe('build ')
  })

  it('says so when npm fails, and tries again the next time', async () => {
    write('package-lock.json', '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"}}}')
    const { code, err } = await run(['build'], { TRIAL_INSTALL_CODE: '5' })
    expect(code).toBe(1)
    expect(err).toContain('npm could not install the dependencies (exit code 5)')
    await run(['build'])
    expect(calls()).toBe('install install build ')
  })

  it('waits while another process installs or builds, naming it', async () => {
    const lock = join(checkout, '.sluice', 'prepare.lock')
    write('.sluice/prepare.lock', JSON.stringify({ pid: process.pid, beginning: beginningOf(process.pid) }))
    const { ended, saysOnError } = start(['build'])
    await saysOnError(`Waiting for process ${process.pid}, which installs or builds in this checkout.`)
    expect(calls()).toBe('')
    rmSync(lock)
    expect((await ended).code).toBe(0)
    expect(calls()).toBe('build ')
  })

  it('does not wait for a process that died with the lock', async () => {
    write('.sluice/prepare.lock', JSON.stringify({ pid: 4_000_000, beginning: 'long ago' }))
    const { code, err } = await run(['build'])
    expect([code, err]).toEqual([0, 'Building.\n'])
  })

  it('names the missing program when a checkout does not have it', async () => {
    const { code, err } = await run(['demo'])
    expect(code).toBe(1)
    expect(err).toContain('dist/tools/demo/main.js does not exist')
  })
})

describe('package-lock.json', () => {
  it('holds the optional packages of every platform, so that npm ci works on each', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>
    }
    const within = (path: string, name: string): boolean => {
      if (`${path === '' ? '' : `${path}/`}node_modules/${name}` in packages) return true
      const parent = path.lastIndexOf('/node_modules/')
      return path !== '' && within(parent < 0 ? '' : path.slice(0, parent), name)
    }
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !within(path, name)),
    )
    expect(missing).toEqual([])
  })
})
