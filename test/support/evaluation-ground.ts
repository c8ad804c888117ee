import { type SimulatedEngine, startSimulatedEngine } from '../../examples/engine/server'
import type { Policy } from '../../src/domain/policy'
import type { Digest } from '../../src/domain/version'
import type { Endpoints } from '../../src/engines/engine'
import { keysOf } from '../../src/store/evaluation-jobs'
import { casePages, loadCallable, loadSuite } from '../../src/store/evaluation-plan'
import type { EvaluationDeps } from '../../src/store/evaluation-run'
import type { StoredResult } from '../../src/store/evidence-results'
import type { Store } from '../../src/store/store'
import { airlineComposite, readAirline, registerAirline } from './airline'
import { testStore } from './ground'

/** The example workspace on a database of its own, with the simulated engine answering at once. */
export interface EvaluationGround {
  readonly store: Store
  readonly engine: SimulatedEngine
  readonly endpoints: Endpoints
  readonly deps: EvaluationDeps
  readonly suite: Digest
  readonly policy: Digest
  composite(prompt: string, engine?: string): Promise<Digest>
  /** The example's default policy with another test section. */
  policyWith(name: string, test: Partial<Policy['test']>): Promise<Digest>
  /** Every result that a composite has on the suite. */
  stored(composite: Digest): Promise<readonly StoredResult[]>
  end(): Promise<void>
}

export async function evaluationGround(options: { readonly cases?: number } = {}): Promise<EvaluationGround> {
  const { store, drop } = await testStore()
  const engine = await startSimulatedEngine({ latencyScale: 0 })
  await registerAirline(store.catalog, options)
  const digestOf = async (ref: string) => (await store.catalog.version(ref)).digest
  const endpoints = { simulated: { url: engine.url } }
  return {
    store,
    engine,
    endpoints,
    deps: { ...store, endpoints },
    suite: await digestOf('suite/airline@1.0.0'),
    policy: await digestOf('policy/default@1.0.0'),
    composite: (prompt, version) => airlineComposite(store.catalog, prompt, version),
    async stored(composite) {
      const suite = await loadSuite(store.catalog, await digestOf('suite/airline@1.0.0'))
      const arm = await loadCallable(store.catalog, composite)
      const found: StoredResult[] = []
      for await (const cases of casePages(store.catalog, suite)) {
        found.push(...(await store.evidence.results.read(keysOf(suite, arm, cases))))
      }
      return found
    },
    async policyWith(name, test) {
      const { artifacts } = await readAirline()
      const base = artifacts.find((one) => one.kind === 'policy' && one.name === 'default')?.content as Policy
      const content = { ...base, test: { ...base.test, ...test } }
      const draft = {
        kind: 'policy' as const,
        name,
        semver: '1.0.0',
        content,
        author: 'ann',
        description: 'for a test',
      }
      return (await store.catalog.register(draft)).version.digest
    },
    async end() {
      await engine.stop()
      await drop()
    },
  }
}

const pollMs = 20

/** Waits until a run has ended, however it did. */
export async function endedRun(store: Store, id: string): Promise<void> {
  while ((await store.evaluations.get(id)).state === 'running') {
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
