import { airlineCases } from '../support/airline'
import { registration } from '../support/contents'
import { type ReleaseGround, releaseGround } from '../support/release-ground'

/** Cases whose attributes rules can read: every other one comes from one of two sides. */
const rows = airlineCases()
  .slice(0, 16)
  .map((one, place) => ({ ...one, input: { ...one.input, attributes: { side: place % 2 === 0 ? 'left' : 'right' } } }))
const router = (use: string) => ({
  candidates: { small: 'simulated@1.0.0', large: 'simulated@1.1.0', hasty: 'hasty@1.0.0' },
  rules: [{ when: { attribute: 'side', eq: 'left' }, use }],
  default: 'small',
  fallbacks: ['large'],
})
const clamp = (max: number) => ({ steps: [{ step: 'clamp', key: 'csat', min: 1, max }] })

describe('a release of a composite with a router and post-processing, on the real servers', () => {
  let ground: ReleaseGround
  beforeAll(async () => {
    ground = await releaseGround()
    const { catalog } = ground.store
    const small = (await catalog.version('engine/simulated@1.0.0')).content as { readonly parameters: object }
    const suite = (await catalog.version('suite/airline@1.0.0')).content as object
    const versions: [string, object][] = [
      // Its answers are cut off in the middle.
      ['engine/hasty@1.0.0', { ...small, parameters: { ...small.parameters, maxOutputTokens: 12 } }],
      ['router/ways@1.0.0', router('small')],
      ['router/ways@1.1.0', router('large')],
      ['router/ways@1.2.0', router('hasty')],
      ['postprocess/tidy@1.0.0', clamp(5)],
      ['postprocess/tidy@1.1.0', clamp(4)],
      ['dataset/sides@1.0.0', { rows }],
      ['suite/sides@1.0.0', { ...suite, dataset: 'sides@1.0.0', thresholds: { minAccuracy: 0.3 } }],
    ]
    for (const [ref, content] of versions) await catalog.register(registration(ref, content))
    const roles = {
      ...{ prompt: 'csat@1.0.0', schema: 'csat-report@1.0.0' },
      ...{ router: 'ways@1.0.0', postprocess: 'tidy@1.0.0' },
    }
    const task = { name: ground.task, roles, suite: 'suite/sides@1.0.0', policy: 'policy/quick@1.0.0' }
    await catalog.putTask(task, 'ann')
    await ground.settleFirst()
  })
  afterAll(() => ground.end())

  const lane = () => ground.store.ledger.lane('production', ground.task)
  async function release(change: Readonly<Record<string, string>>) {
    const { id } = await ground.start({ ...ground.request('1.0.0'), change })
    return ground.ended(id)
  }
  const report = async (candidate: string) => {
    const [verdict] = await ground.store.evidence.verdicts({ candidate: candidate as `sha256:${string}`, limit: 1 })
    return verdict?.report
  }

  test('that changes the router goes through test, stage and rollout to done', async () => {
    const record = await release({ router: 'ways@1.1.0' })
    expect([record.phase, record.reason]).toEqual(['done', 'every step is done'])
    expect((await lane()).incumbent).toBe(record.candidate)
    const { candidate, incumbent } = (await report(record.candidate ?? '')) ?? {}
    expect(candidate?.branches?.map(({ branch, results }) => [branch, results])).toEqual([
      ['default: small', 8],
      ['rule 0: large', 8],
    ])
    expect(incumbent?.branches?.map(({ branch }) => branch).sort()).toEqual(['default: small', 'rule 0: small'])
    // Composites have results of their own, so both arms are asked anew, each candidate by the way of its case.
    expect(candidate?.engines.map(({ candidate: of, model }) => [of, model]).sort()).toEqual([
      ['large', 'sim-large-1'],
      ['small', 'sim-small-1'],
    ])
  })

  test('that changes the post-processing goes to done, and is scored on what comes out of it', async () => {
    const record = await release({ postprocess: 'tidy@1.1.0' })
    expect([record.phase, record.reason]).toEqual(['done', 'every step is done'])
    const shift = (await report(record.candidate ?? ''))?.comparison?.shifts.find(({ field }) => field === 'csat')
    expect(shift?.changedShare).toBeGreaterThan(0)
    expect(shift?.detail?.mix?.find(({ value }) => value === '5')?.after).toBe(0)
  })

  test('whose router sends cases to a worse engine is blocked by the suite, and no lane moves', async () => {
    const before = await lane()
    const record = await release({ router: 'ways@1.2.0' })
    expect(record.phase).toBe('blocked')
    expect((await lane()).headSeq).toBe(before.headSeq)
    const found = await report(record.candidate ?? '')
    const hasty = found?.candidate.branches?.find(({ branch }) => branch === 'rule 0: hasty')
    expect(hasty).toMatchObject({ results: 8, accuracy: { mean: 0 }, schemaCompliance: { mean: 0 } })
  })
})
