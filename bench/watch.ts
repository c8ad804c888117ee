import { assess } from '../src/domain/analysis'
import { judge, type ReleaseFile } from '../src/store/assessor'
import { createTelemetry } from '../src/store/telemetry'
import type { SeriesDocument, SeriesSum } from '../src/store/telemetry-documents'
import {
  batchOf,
  environment,
  type LiveGround,
  type LiveLane,
  liveGround,
  openLane,
  stratumOf,
  unitOf,
} from './live-lane'
import { type Finding, inTurns, median, type Row, ratioText, rounded, type Side } from './measure'
import { armOf, planOf, requestOn, watchedPolicy } from './watch-world'

/** A release as a tick finds it. */
interface Scene {
  readonly by: 'conversation' | 'tenant'
  readonly tenants: number
  /** Seconds with traffic that lie behind it, beside the few in which the conversations were reported. */
  readonly seconds: number
}

const hourSeconds = 3_600
const scenes: readonly Scene[] = [
  ...[1, 100, 10_000].map((tenants): Scene => ({ by: 'conversation', tenants, seconds: hourSeconds })),
  { by: 'conversation', tenants: 10_000, seconds: 0 },
  ...[1, 100, 10_000].map((tenants): Scene => ({ by: 'tenant', tenants, seconds: hourSeconds })),
]
const conversations = 10_000
const batchSize = 500
const rounds = 30
const warmUp = 5

/** Milliseconds of one judgement of a release, as every tick makes it, against one round trip to the database. */
export async function benchWatch(mongodbUri: string): Promise<Finding[]> {
  const ground = await liveGround(mongodbUri)
  try {
    const sides = new Map<string, Side>()
    sides.set('round trip', () => timed(() => ground.store.database.now()))
    for (const scene of scenes) {
      const { tick, decision } = await ticksOf(ground, scene)
      sides.set(nameOf(scene), tick)
      sides.set(`decision ${nameOf(scene)}`, decision)
    }
    const samples = await inTurns({ rounds, warmUp, sides: Object.fromEntries(sides) })
    const of = (name: string): readonly number[] => samples[name] ?? []
    const rows = scenes.map((scene): Row => {
      const ticks = of(nameOf(scene))
      return {
        'exposed by': scene.by,
        tenants: scene.tenants,
        'seconds of traffic': scene.seconds,
        'tick ms': rounded(median(ticks)),
        'of it the decision ms': rounded(median(of(`decision ${nameOf(scene)}`))),
        'tick ÷ round trip': ratioText(ticks, of('round trip')),
        'tick ÷ tick at 1 tenant': ratioText(ticks, of(nameOf({ ...scene, tenants: 1, seconds: hourSeconds }))),
      }
    })
    const about = `one judgement of a release with ${conversations} conversations ÷ one round trip to the database`
    return [{ benchmark: 'watch', about, rows }]
  } finally {
    await ground.end()
  }
}

const nameOf = ({ by, tenants, seconds }: Scene): string => `watch-${by}-${tenants}-${seconds}`

/** The whole tick, and the part of it that is no reading: the decision on what was read. */
interface Ticks {
  readonly tick: Side
  readonly decision: Side
}

async function ticksOf(ground: LiveGround, scene: Scene): Promise<Ticks> {
  const { store, ledger } = ground
  const { by, tenants, seconds } = scene
  const lane = await openLane(ledger, nameOf(scene), by)
  await sendTraffic(ground, lane, tenants)
  if (seconds > 0) await store.database.collection<SeriesDocument>('series').insertMany(minutesOf(lane, seconds))
  const file = fileOf(lane)
  const deps = { ...store, ledger }
  const { input } = await judge(deps, file)
  const units = input.strata.reduce((sum, row) => sum + row.candidate.units + row.incumbent.units, 0)
  const expected = by === 'tenant' ? tenants : conversations
  if (units !== expected) throw new Error(`the tick saw ${units} units of ${expected}`)
  return {
    tick: () => timed(() => judge(deps, file)),
    decision: () => timed(async () => assess(input)),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

/** Every conversation is reported and sealed, as after its end. */
async function sendTraffic({ store }: LiveGround, lane: LiveLane, tenants: number): Promise<void> {
  const telemetry = createTelemetry(store.database, store.providers, { sealGraceMs: 0, idleMs: 0 })
  for (let from = 0; from < conversations; from += batchSize) {
    const units = Array.from({ length: batchSize }, (_, index) =>
      unitOf(from + index, `tenant-${(from + index) % tenants}`),
    )
    const strata = (['candidate', 'incumbent'] as const).map((arm) => ({
      ...stratumOf(lane, arm),
      units: units.filter(({ tenant, unit }) => armOf(lane, tenant, unit) === arm),
    }))
    const answer = await telemetry.ingest(batchOf({ strata }), 'app')
    if (answer.refused.length > 0) throw new Error(JSON.stringify(answer.refused[0]))
  }
  while ((await telemetry.seal(batchSize)) > 0);
}

/** What the budget breaker looks back on: traffic in every second, as a writer would have left it. */
function minutesOf({ task, candidate }: LiveLane, seconds: number): SeriesDocument[] {
  const minutes = new Map<number, Record<string, Partial<SeriesSum>>>()
  const last = Math.floor(Date.now() / 1_000)
  for (let second = last - seconds; second < last; second++) {
    const minute = Math.floor(second / 60)
    minutes.set(minute, { ...minutes.get(minute), [second % 60]: { requests: 3, costNano: 30_000_000 } })
  }
  return [...minutes].map(([minute, told]) => ({
    _id: `${task}/${minute}`,
    environment,
    task,
    composite: candidate,
    at: new Date(minute * 60_000),
    shard: 0,
    requests: 3 * Object.keys(told).length,
    costNano: 30_000_000 * Object.keys(told).length,
    seconds: told,
  }))
}

function fileOf(lane: LiveLane): ReleaseFile {
  const { task, releaseId, incumbent } = lane
  const life = { createdAt: Date.now(), workflowId: `release/${task}`, stage: 'rollout', phase: 'running' } as const
  const of = { id: releaseId, task, request: requestOn(task), author: 'ann' }
  const record = { ...of, ...life, decisionSeq: 0, decisionHash: '' }
  return { record, plan: planOf(lane, incumbent), policy: watchedPolicy() }
}
