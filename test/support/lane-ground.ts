import { randomUUID } from 'node:crypto'
import type { Allocation, Slice } from '../../src/domain/allocation'
import type { EvaluationReport, Verdict } from '../../src/domain/evaluation'
import type { LaneState } from '../../src/domain/lane'
import type { Snapshot } from '../../src/domain/snapshot'
import type { Digest } from '../../src/domain/version'
import { SluiceError } from '../../src/errors'
import type { Appended } from '../../src/store/ledger-requests'
import { SnapshotBuilder } from '../../src/store/snapshots'
import type { Store } from '../../src/store/store'
import { engineContent, registration } from './contents'
import { testStore } from './ground'

export interface StepOptions {
  readonly environment?: string
  readonly key?: string
  readonly releaseId?: string
  readonly exposure?: readonly Slice[]
  /** What the writer believes; by default what the lane says. */
  readonly expectedBase?: number
  readonly incumbent?: Digest
  readonly leadMs?: number
  readonly policy?: Digest
}

export interface RollbackOptions {
  readonly environment?: string
  readonly key?: string
  readonly releaseId?: string
  readonly target?: Digest
  readonly hold?: boolean
  readonly veto?: boolean
  readonly expectedBase?: number
}

/** One task with its lanes, driven as releases drive them: through the real ledger with its real gate. */
export interface TestLane {
  readonly task: string
  state(environment?: string): Promise<LaneState>
  entries(environment?: string): Promise<Allocation[]>
  step(candidate: Digest, options?: StepOptions): Promise<Appended>
  settle(incumbent: Digest, options?: StepOptions): Promise<Appended>
  rollback(options?: RollbackOptions): Promise<Appended | undefined>
  flag(disabled: boolean, environment?: string): Promise<Appended>
  verify(environment?: string): Promise<number>
}

/** A real store with a suite, policies, composites and evidence, all of them tiny. */
export interface LaneGround {
  readonly store: Store
  /** Crosses production only. */
  readonly policy: Digest
  /** Crosses staging, then production. */
  readonly staged: Digest
  lane(): Promise<TestLane>
  /** A composite that nothing speaks for yet. */
  composite(number: number): Promise<Digest>
  /** Puts a verdict on the current suite in force. */
  judge(candidate: Digest, incumbent: Digest | undefined, options?: JudgeOptions): Promise<void>
  /** Composites with passing evidence against each other and alone. */
  tested(count: number): Promise<readonly Digest[]>
  /** Gives the task another suite. */
  changeSuite(task: string): Promise<void>
  snapshot(environment?: string): Promise<Snapshot>
  end(): Promise<void>
}

export interface JudgeOptions {
  readonly verdict?: Verdict['verdict']
  readonly policy?: Digest
}

export const production = 'production'
export const author = { by: 'ann', reason: 'for a test' }
const half: readonly Slice[] = [{ to: 'rest', basisPoints: 5_000, by: 'conversation' }]

/** The code of a refusal, with its details; throws where nothing was refused. */
export async function refusal(
  work: Promise<unknown>,
): Promise<{ code: string; details: Readonly<Record<string, unknown>> }> {
  try {
    await work
  } catch (error) {
    if (error instanceof SluiceError) return { code: error.code, details: error.details }
    throw error
  }
  throw new Error('nothing was refused')
}

export async function laneGround(): Promise<LaneGround> {
  const { store, drop } = await testStore()
  const { catalog } = store
  const digestOf = async (ref: string, content: unknown): Promise<Digest> =>
    (await catalog.register(registration(ref, content))).version.digest
  await digestOf('dataset/cases@1.0.0', { rows: [{ id: 'one', group: 'g', input: {}, expected: { mood: 'good' } }] })
  const scorers = [{ name: 'mood', scorer: 'field', options: { path: 'mood' } }]
  const suiteOf = (minAccuracy: number) => ({
    dataset: 'dataset/cases@1.0.0',
    scorers,
    primary: 'mood',
    thresholds: { minAccuracy },
  })
  let suite = await digestOf('suite/mood@1.0.0', suiteOf(0.5))
  const policy = await digestOf('policy/direct@1.0.0', { environments: [production] })
  const staged = await digestOf('policy/staged@1.0.0', { environments: ['staging', production] })
  await digestOf('engine/small@1.0.0', engineContent)
  const composite = async (number: number): Promise<Digest> => {
    await digestOf(`prompt/mood-${number}@1.0.0`, { text: `Version ${number}: {{transcript}}` })
    return (await catalog.commitComposite({ prompt: `prompt/mood-${number}@1.0.0`, engine: 'engine/small@1.0.0' })).id
  }
  await composite(0)
  const putTask = (name: string, suiteRef: string) => {
    const roles = { prompt: 'prompt/mood-0@1.0.0', engine: 'engine/small@1.0.0' }
    return catalog.putTask({ name, roles, suite: suiteRef, policy: 'policy/direct@1.0.0' }, 'ann')
  }
  const judge: LaneGround['judge'] = async (candidate, incumbent, options = {}) => {
    const key = {
      candidate,
      suite,
      policy: options.policy ?? policy,
      ...(incumbent === undefined ? {} : { incumbent }),
    }
    const report = {} as EvaluationReport
    const verdict = options.verdict ?? 'pass'
    await store.evidence.record({ ...key, verdict, reasons: [], shifting: false, report, evaluationId: randomUUID() })
  }
  const builder = new SnapshotBuilder(store)
  return {
    store,
    policy,
    staged,
    composite,
    judge,
    async lane() {
      const task = `mood-${randomUUID().slice(0, 8)}`
      await putTask(task, 'suite/mood@1.0.0')
      return testLane(store, task, policy)
    },
    async tested(count) {
      const versions = await Promise.all(Array.from({ length: count }, (_, number) => composite(number)))
      const pairs = versions.flatMap((one) =>
        [undefined, ...versions].filter((other) => other !== one).map((other) => [one, other] as const),
      )
      for (const [candidate, incumbent] of pairs) await judge(candidate, incumbent)
      return versions
    },
    async changeSuite(task) {
      suite = await digestOf('suite/mood@1.1.0', suiteOf(0.6))
      await putTask(task, 'suite/mood@1.1.0')
    },
    snapshot: async (environment = production) => builder.build(environment, await store.database.now()),
    end: drop,
  }
}

function testLane(store: Store, task: string, policy: Digest): TestLane {
  const { ledger } = store
  const forward = async (
    draft: Parameters<typeof ledger.forward>[0]['draft'],
    options: StepOptions,
  ): Promise<Appended> => {
    const environment = options.environment ?? production
    const expectedBase = options.expectedBase ?? (await ledger.lane(environment, task)).baseSeq
    const place = { environment, task, key: options.key ?? `${randomUUID()}/step/append` }
    return ledger.forward({
      ...place,
      draft,
      expectedBase,
      policy: options.policy ?? policy,
      leadMs: options.leadMs ?? 0,
    })
  }
  return {
    task,
    state: (environment = production) => ledger.lane(environment, task),
    entries: (environment = production) => ledger.entries(environment, task),
    async step(candidate, options = {}) {
      const { releaseId = 'release-1', exposure = half } = options
      const incumbent = options.incumbent ?? (await ledger.lane(options.environment ?? production, task)).incumbent
      const arms = { candidate, ...(incumbent === undefined ? {} : { incumbent }) }
      return forward({ cause: 'step', by: 'sluice', releaseId, salt: releaseId, exposure, ...arms }, options)
    },
    async settle(incumbent, options = {}) {
      const { releaseId = `of-${incumbent.slice(-8)}` } = options
      return forward({ cause: 'settle', by: 'sluice', releaseId, salt: releaseId, exposure: [], incumbent }, options)
    },
    rollback({
      environment = production,
      hold = false,
      veto = false,
      releaseId,
      target,
      expectedBase,
      ...options
    } = {}) {
      const key = options.key ?? `${releaseId ?? randomUUID()}/rollback`
      const order = { environment, task, key, ...author, penalties: { hold, veto } }
      const base = expectedBase === undefined ? {} : { expectedBase }
      return ledger.restore({ ...order, ...base, ...(releaseId ? { releaseId } : {}), ...(target ? { target } : {}) })
    },
    flag: (disabled, environment = production) =>
      ledger.setDisabled({ environment, task, key: `${randomUUID()}/flag`, disabled, ...author }),
    verify: async (environment = production) => (await ledger.verify(environment, task)).entries,
  }
}
