import { startSimulatedEngine } from '../../../examples/engine/server'
import { runEvaluation } from '../../../src/store/evaluation-run'
import { airlineComposite, registerAirline } from '../../support/airline'
import { testStore } from '../../support/ground'

test('try', async () => {
  const { store, drop } = await testStore()
  const engine = await startSimulatedEngine({ latencyScale: 0 })
  try {
    await registerAirline(store.catalog)
    const suite = (await store.catalog.version('suite/airline@1.0.0')).digest
    const policy = (await store.catalog.version('policy/default@1.0.0')).digest
    const deps = {
      catalog: store.catalog,
      evidence: store.evidence,
      evaluations: store.evaluations,
      endpoints: { simulated: { url: engine.url } },
    }
    const base = await airlineComposite(store.catalog, '1.0.0')
    const one = await airlineComposite(store.catalog, '1.1.0')
    for (const [c, i] of [
      ['1.0.0', undefined],
      ['1.1.0', base],
      ['1.2.0', one],
      ['1.3.0', one],
      ['1.4.0', one],
      ['1.2.0', base],
      ['1.0.0', one],
    ] as const) {
      const t = performance.now()
      const v = await runEvaluation(deps, {
        evaluationId: `e-${c}-${i}`,
        by: 'ann',
        candidate: await airlineComposite(store.catalog, c),
        ...(i ? { incumbent: i } : {}),
        suite,
        policy,
      })
      console.log(
        c,
        Math.round(performance.now() - t),
        v.verdict,
        v.shifting,
        JSON.stringify(
          v.report.checks.map((x) => `${x.verdict} ${x.text}`),
          null,
          1,
        ),
        JSON.stringify(v.report.comparison?.shifts),
        JSON.stringify(v.report.paid),
        JSON.stringify(v.report.candidate),
      )
    }
  } finally {
    await engine.stop()
    await drop()
  }
}, 120000)
