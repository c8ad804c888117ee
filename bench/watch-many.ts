import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import type { Releases } from '../src/store/releases'
import type { Store } from '../src/store/store'
import { createWatcher } from '../src/worker'
import { batchOf, type LiveGround, type LiveLane, liveGround, openLane, stratumOf, unitOf } from './live-lane'
import { type Finding, median, type Row, rounded } from './measure'
import { armOf, planOf, requestOn, watchedPolicy } from './watch-world'

const counts = [1, 300]
const tickMs = 1_000
const measuredMs = 30_000
const startMs = 120_000
const lookEveryMs = 200
const lifeMs = 2 * (startMs + measuredMs)

interface Servers {
  readonly mongodbUri: string
  readonly temporalAddress: string
  readonly namespace: string
}

/** How regularly one worker looks at many releases, while an application reports on all of them every second. */
export async function benchWatchMany({ mongodbUri, temporalAddress, namespace }: Servers): Promise<Finding[]> {
  const ground = await liveGround(mongodbUri)
  const client = new Client({ connection: await Connection.connect({ address: temporalAddress }), namespace })
  const connection = await NativeConnection.connect({ address: temporalAddress })
  try {
    const lanes = await releasesOf(ground, Math.max(...counts))
    const rows: Row[] = []
    for (const count of counts) {
      const ticks = new Map<string, number[]>()
      const deps = {
        store: noting(ground.store, ticks),
        orchestrator: quiet as never,
        endpoints: {},
        tickMs,
        watches: count,
      }
      const queue = `bench-${randomUUID()}`
      const place = { connection, namespace, queue, workflows: { workflowsPath: require.resolve('./watched-release') } }
      const main = await Worker.create({ connection, namespace, taskQueue: queue, ...place.workflows })
      const watcher = await createWatcher(deps, place)
      const watched = lanes.slice(0, count)
      const run = () => measure({ ground, client, queue, lanes: watched, ticks })
      rows.push(await main.runUntil(watcher.runUntil(run())))
    }
    const about = `gaps between ticks over ${measuredMs / 1_000} s, one worker and its servers on one machine; a tick is due every second`
    return [{ benchmark: 'watch many', about, rows }]
  } finally {
    await connection.close()
    await client.connection.close()
    await ground.end()
  }
}

/** Nobody is paused, and every workflow runs. */
const quiet = { signal: async () => undefined, health: async () => ({ kind: 'running' }) }

async function releasesOf({ store, ledger }: LiveGround, count: number): Promise<LiveLane[]> {
  const about = { kind: 'policy', name: 'bench', semver: '1.0.0', author: 'bench', description: 'as watched' } as const
  const { version } = await store.catalog.register({ ...about, content: watchedPolicy() })
  const lanes: LiveLane[] = []
  for (let index = 0; index < count; index++) {
    const lane = await openLane(ledger, `many-${index}`, 'conversation')
    const { releaseId: id, task } = lane
    const of = { id, task, request: requestOn(task), author: 'bench', workflowId: `bench/${id}`, runId: id }
    await store.releases.adopt(of)
    await store.releases.update(id, { plan: await store.releases.putPlan(planOf(lane, version.digest)) })
    lanes.push(lane)
  }
  return lanes
}

/** The store, with the moment of every tick noted once it is counted. */
function noting(store: Store, ticks: Map<string, number[]>): Store {
  const tick: Releases['tick'] = async (releaseId) => {
    await store.releases.tick(releaseId)
    ticks.set(releaseId, [...(ticks.get(releaseId) ?? []), performance.now()])
  }
  return { ...store, releases: Object.assign(Object.create(store.releases), { tick }) }
}

interface Run {
  readonly ground: LiveGround
  readonly client: Client
  readonly queue: string
  readonly lanes: readonly LiveLane[]
  readonly ticks: Map<string, number[]>
}

async function measure({ ground, client, queue, lanes, ticks }: Run): Promise<Row> {
  const stop = new AbortController()
  const traffic = report(ground, lanes, stop.signal)
  try {
    for (const { releaseId } of lanes) {
      const workflowId = `bench/${queue}/${releaseId}`
      // They end by themselves: to end 300 one by one takes a development server longer than to run them.
      const options = { args: [releaseId], taskQueue: queue, workflowId, workflowExecutionTimeout: lifeMs }
      await client.workflow.start('watchedRelease', options)
    }
    const until = performance.now() + startMs
    while (ticks.size < lanes.length && performance.now() < until) await pause(lookEveryMs)
    if (ticks.size < lanes.length) throw new Error(`${ticks.size} of ${lanes.length} releases were watched in time`)
    const from = performance.now()
    await pause(measuredMs)
    return rowOf(lanes.length, [...ticks.values()], { from, to: performance.now() })
  } finally {
    stop.abort()
    await traffic
  }
}

/** One application that serves every release: a conversation in each of them every second. */
async function report({ store }: LiveGround, lanes: readonly LiveLane[], stop: AbortSignal): Promise<void> {
  for (let round = 0; !stop.aborted; round++) {
    const strata = lanes.map((lane, index) => {
      const unit = unitOf(index + round * lanes.length, `tenant-${index % 100}`)
      return { ...stratumOf(lane, armOf(lane, unit.tenant, unit.unit)), units: [unit] }
    })
    await store.telemetry.ingest(batchOf({ strata }), 'app')
    await pause(tickMs, undefined, { signal: stop }).catch(() => undefined)
  }
}

function rowOf(
  releases: number,
  ticks: readonly (readonly number[])[],
  { from, to }: { from: number; to: number },
): Row {
  const within = ticks.map((moments) => moments.filter((at) => at >= from && at <= to))
  // From the beginning of the run, so that a release that is not looked at all the while has one long gap.
  const gaps = within.flatMap((moments) => [...moments, to].map((at, index) => at - (moments[index - 1] ?? from)))
  const due = releases * Math.floor((to - from) / tickMs)
  const seen = within.reduce((sum, { length }) => sum + length, 0)
  const sorted = gaps.toSorted((left, right) => left - right)
  const missed = Math.max(0, due - seen)
  return {
    releases,
    'ticks due': due,
    missed: `${missed} (${((100 * missed) / due).toFixed(1)} %)`,
    'median gap ms': rounded(median(gaps)),
    'p99 gap ms': rounded(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN),
    'longest gap ms': rounded(sorted.at(-1) ?? Number.NaN),
  }
}
