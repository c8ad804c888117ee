import { fork } from 'node:child_process'
import { join } from 'node:path'
import { runEvaluation } from '../../src/store/evaluation-run'
import type { EvaluatingOrder } from '../support/evaluating-process'
import { type EvaluationGround, evaluationGround } from '../support/evaluation-ground'
import { groundAddress } from '../support/ground'
import { until } from '../support/until'

const cases = 120
/** Four jobs a slot, eight slots: what may be under way when a process dies. */
const maxUnderWay = 32

describe('an evaluation whose process is killed', () => {
  let ground: EvaluationGround
  beforeAll(async () => {
    ground = await evaluationGround({ cases })
  })
  afterAll(() => ground.end())

  test('pays for no stored result again, and counts every call that may be paid twice', async () => {
    const { store, engine, suite, policy } = ground
    const candidate = await ground.composite('1.0.0')
    const key = { evaluationId: 'killed', candidate, suite, policy }
    const order: EvaluatingOrder = {
      ...key,
      mongodbUri: groundAddress('MONGODB_URI'),
      database: store.database.db.databaseName,
      engineUrl: engine.url,
    }
    // Calls that are never answered: however fast the process is, it cannot end before it is killed.
    engine.setFaults([{ kind: 'time_out', share: 0.1 }])
    const child = fork(join(process.cwd(), 'dist/test/support/evaluating-process.js'), [JSON.stringify(order)])
    const gone = new Promise((resolve) => child.once('exit', resolve))
    await until('some calls are made', async () => engine.requests() >= 30)
    child.kill('SIGKILL')
    await gone
    engine.setFaults([])
    const requests = engine.requests()
    const stored = (await ground.stored(candidate)).length
    expect(stored).toBeLessThan(cases)
    expect(await store.evidence.verdictOf('killed')).toBeUndefined()

    const verdict = await runEvaluation(ground.deps, { ...key, by: 'ann' })
    expect(verdict).toMatchObject({ verdict: 'pass', report: { candidate: { results: cases, errors: 0 } } })
    expect(verdict.report.paid.calls).toBe(cases - stored)
    expect(engine.requests() - requests).toBe(cases - stored)
    const twice = engine.requests() - cases
    expect(verdict.report.paid.lostCalls).toBeGreaterThanOrEqual(twice)
    expect(verdict.report.paid.lostCalls).toBeLessThanOrEqual(maxUnderWay)
  })
})
