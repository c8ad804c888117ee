import { readFileSync } from 'node:fs'
import type { LeakageReport } from '../../src/domain/leakage'
import { airlineCases } from '../support/airline'
import { type CliGround, cliGround } from '../support/cli-ground'
import { registration } from '../support/contents'

const artifact = { digest: `sha256:${'a'.repeat(64)}`, uri: 's3://models/a' }
const clean = [...Array(20).keys()].map((index) => ({ text: `What may I take on flight ${index}?`, label: 'luggage' }))
const [leaked] = airlineCases()

let ground: CliGround
beforeAll(async () => {
  ground = await cliGround()
  await ground.settleFirst()
})
afterAll(() => ground.end())

/** A model trained on these rows, and the file of a release that adds it to the task. */
async function modelRelease(semver: string, rows: readonly unknown[]): Promise<string> {
  const { catalog } = ground.store
  await catalog.register(registration(`dataset/train@${semver}`, { rows }))
  await catalog.register(
    registration(`model/judge@${semver}`, {
      bases: [{ provider: 'openai', name: 'small-1' }],
      datasets: { train: [`train@${semver}`] },
      steps: [{ name: 'fine-tune', code: artifact.digest, parameters: {} }],
      checkpoint: artifact,
    }),
  )
  const text = `task: ${ground.task}\nchange: { model: judge@${semver} }\nwhy: try it\npolicy: quick@1.0.0\n`
  return ground.file(`model-${semver}.yaml`, text)
}

describe('a case of the suite in the training data', () => {
  let candidate: string

  it('blocks the release in the test stage, and names both rows', async () => {
    const before = await ground.lane()
    const chat = { id: 'chat-9', messages: [{ role: 'user', content: leaked?.input.transcript }] }
    const run = await ground.sluice('release', 'start', await modelRelease('1.0.0', [...clean, chat]), '--watch')
    expect(run.code).toBe(3)
    expect(run.out).toMatch(/blocked: One row behind the candidate would give cases of the suite away/)
    expect(run.out).toMatch(
      /row chat-9 \(sha256:[0-9a-f]{64}\) of dataset\/train@1\.0\.0 has the text of case airline-00-0/,
    )
    expect(run.out).toMatch(/case airline-00-0 \(sha256:[0-9a-f]{64}\), by way of model\/judge@1\.0\.0/)
    expect(await ground.lane()).toEqual(before)
    const [release] = await ground.store.releases.list({ limit: 1 })
    expect(release?.phase).toBe('blocked')
    candidate = release?.candidate ?? ''
  })

  it('is what `sluice leaks` says of it too, with exit code 3', async () => {
    const run = await ground.sluice('leaks', candidate, '--suite', 'airline@1.0.0')
    expect([run.code, run.err]).toEqual([3, expect.stringContaining('leaked: 1 of 25 rows behind the composite')])
    expect(run.out).toMatch(/^21 +1 +dataset\/train@1\.0\.0 +model → model\/judge@1\.0\.0$/m)
    expect(run.out).toMatch(/^row chat-9 .* has the text of case airline-00-0 /m)
    const json = await ground.sluice('leaks', candidate, '--json')
    expect(json.code).toBe(3)
    expect(JSON.parse(json.out)).toMatchObject({ state: 'done', result: 'leaked', leakedRows: 1 })
  })

  it('passes once the row is taken out, and only what is new is compared', async () => {
    const proofs = ground.store.database.collection('leakage_proofs')
    const before = await proofs.countDocuments()
    const run = await ground.sluice('release', 'start', await modelRelease('2.0.0', clean), '--watch')
    expect([run.code, run.err]).toEqual([0, ''])
    expect(await proofs.countDocuments()).toBe(before + 2)
    const shown = await ground.sluice('leaks', `${ground.task}@production`)
    expect([shown.code, shown.err]).toEqual([0, ''])
    expect(shown.out).toContain('no case of the suite is in the 24 rows behind the composite')
  })

  it('is told by `sluice eval run`, which pays for nothing', async () => {
    const args = ['--task', ground.task, '--change', 'model=judge@1.0.0', '--policy', 'quick@1.0.0']
    const run = await ground.sluice('eval', 'run', 'airline@1.0.0', ...args)
    expect([run.code, run.err]).toEqual([3, expect.stringContaining('undeployable: The suite says fail')])
    expect(run.out).toMatch(/^ {2}fail +One row behind the candidate/m)
    expect(run.out).toContain('0 calls, $0.0000 paid')
  })

  it('makes the proof of a composite that nobody judged yet, while the caller waits', async () => {
    const roles = { prompt: 'csat@1.4.0', engine: 'simulated@1.0.0', model: 'judge@2.0.0' }
    const { id } = await ground.store.catalog.commitComposite(roles)
    const ask = async () => {
      const response = await fetch(`${ground.url}/v1/composites/${id}/leaks?suite=airline@1.0.0`, {
        headers: { authorization: `Bearer ${ground.key}` },
      })
      return { status: response.status, body: (await response.json()) as LeakageReport & { readonly state: string } }
    }
    const first = await ask()
    expect([first.status, first.body.state, first.body.result]).toEqual([202, 'running', undefined])
    const run = await ground.sluice('leaks', id, '--suite', 'airline@1.0.0')
    expect(run.code).toBe(0)
    expect(await ask()).toMatchObject({ status: 200, body: { state: 'done', result: 'pass' } })
  })

  it.each([
    ['a composite that is none', 1, 'malformed_ref', ['leaks', 'nonsense']],
    [
      'a composite that nobody committed',
      1,
      'not_found',
      ['leaks', `sha256:${'0'.repeat(64)}`, '--suite', 'airline@1.0.0'],
    ],
    ['a suite that is none', 1, 'unknown_ref', ['leaks', `sha256:${'0'.repeat(64)}`, '--suite', 'nobody@1.0.0']],
    [
      'a prompt for a suite',
      1,
      'invalid_request',
      ['leaks', `sha256:${'0'.repeat(64)}`, '--suite', 'prompt/csat@1.0.0'],
    ],
    ['no composite', 2, "missing required argument 'composite'", ['leaks']],
  ])('refuses %s', async (_, code, text, args) => {
    const run = await ground.sluice(...args)
    expect([run.code, run.err]).toEqual([code, expect.stringContaining(text)])
  })
})

describe('docs/leakage.md', () => {
  const page = readFileSync('docs/leakage.md', 'utf8')
  const [cases, tickets] = [...page.matchAll(/```json\n\/\/ .*\n([\s\S]*?)```/g)].map(
    ([, text = '']) => JSON.parse(text) as { readonly rows: readonly Readonly<Record<string, unknown>>[] },
  )

  it('has an example that ends as it says', async () => {
    const { catalog } = ground.store
    const suite = (await catalog.version('suite/airline@1.0.0')).content as Record<string, unknown>
    await catalog.register(registration('dataset/questions@1.0.0', cases))
    const draft = { ...suite, dataset: 'questions@1.0.0' }
    await catalog.register(registration('suite/questions@1.0.0', draft))
    const train = async (semver: string, content: unknown) => {
      await catalog.register(registration(`dataset/tickets@${semver}`, content))
      const model = (await catalog.version('model/judge@2.0.0')).content as Record<string, unknown>
      const datasets = { train: [`tickets@${semver}`] }
      await catalog.register(registration(`model/topics@${semver}`, { ...model, datasets }))
      const { id } = await catalog.commitComposite({ prompt: 'csat@1.0.0', model: `topics@${semver}` })
      return ground.sluice('leaks', id, '--suite', 'questions@1.0.0')
    }
    const run = await train('1.0.0', tickets)
    expect(run.code).toBe(3)
    const [, said = ''] = /```text\n(.*)\n```/.exec(page) ?? []
    expect(run.out.replaceAll(/sha256:[0-9a-f]{64}/g, 'sha256:…')).toContain(said)
    expect(run.out.match(/^row /gm)).toHaveLength(1)
    const fixed = await train('2.0.0', { rows: tickets?.rows.filter(({ id }) => id !== 't-8') })
    expect([fixed.code, fixed.err]).toEqual([0, expect.not.stringContaining('leaked')])
  })

  it('shows an exception that a policy takes', async () => {
    const [, yaml = ''] = /```yaml\n# policies\/.*\n([\s\S]*?)```/.exec(page) ?? []
    const [, allowed = ''] = /allow: \[(.*)\]/.exec(yaml) ?? []
    const draft = registration('policy/lenient@1.0.0', { leakage: { allow: [allowed] } })
    const { version } = await ground.store.catalog.register(draft)
    expect(version.content).toMatchObject({ leakage: { allow: ['dataset/manual'] } })
  })
})
