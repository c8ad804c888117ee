import { deepStrictEqual } from 'node:assert'
import { type CompiledSnapshot, compileSnapshot } from '../src/domain/compiled-snapshot'
import { type ResolveRequest, resolve, type Served, type Skipped } from '../src/domain/resolve'
import { type Runner, Serving, type ServingContext } from '../src/sdk/serving'
import { bytesPerCall, type Finding, inTurns, median, type Row, ratioText, rounded } from './measure'
import { type Floor, type FloorDecision, floorOf, floorResolve } from './resolve-floor'
import { type Asking, decode, snapshotOf, type Wire, type World, wireOf, worlds } from './resolve-world'

const callsPerRound = 1_000
const wires = 32
const rounds = 500
const warmUp = 100
const compared = 20_000
const seed = 20_260_101

/** What was answered last: held here so that no call can be optimised away. */
export let sink: unknown

/** `resolve` against the floor, in every world, for first and for later requests; then what the SDK puts around it. */
export async function benchResolve(): Promise<Finding[]> {
  const rows: Row[] = []
  for (const world of worlds) {
    const snapshot = snapshotOf(world)
    const sides = { compiled: compileSnapshot(snapshot), floor: floorOf(snapshot) }
    for (const asking of ['start', 'bound'] as const) rows.push(await resolveRow(world, asking, sides))
  }
  return [
    { benchmark: 'resolve', about: 'resolve ÷ hand-written floor, equal decisions, one process, in turns', rows },
    { benchmark: 'serving', about: 'what the SDK puts around a decision of resolve', rows: [await servingRow()] },
  ]
}

interface SidesOfWorld {
  readonly compiled: CompiledSnapshot
  readonly floor: Floor
}

async function resolveRow(world: World, asking: Asking, { compiled, floor }: SidesOfWorld): Promise<Row> {
  assertEqualDecisions(wireOf(world, asking, compared, seed), compiled, floor)
  const [forOurs, forFloors] = [requestsIn(world, asking), requestsIn(world, asking)]
  const { ours, floors } = await inTurns({
    rounds,
    warmUp,
    sides: { ours: () => timeResolve(compiled, forOurs()), floors: () => timeFloor(floor, forFloors()) },
  })
  const bytes = bytesPerCall(callsPerRound, () => {
    const requests = forOurs()
    return () => void timeResolve(compiled, requests)
  })
  const floorBytes = bytesPerCall(callsPerRound, () => {
    const requests = forFloors()
    return () => void timeFloor(floor, requests)
  })
  return {
    world: world.name,
    request: asking,
    'resolve ns': rounded(median(ours)),
    'floor ns': rounded(median(floors)),
    'resolve ÷ floor': ratioText(ours, floors),
    'resolve bytes': bytes,
    'floor bytes': floorBytes,
  }
}

/** Other requests each time, for as long as a processor could remember them; both sides get the same ones. */
function requestsIn(world: World, asking: Asking): () => readonly ResolveRequest[] {
  const kept = Array.from({ length: wires }, (_, index) => wireOf(world, asking, callsPerRound, seed + 1 + index))
  let turn = 0
  return () => decode(kept[turn++ % wires] as Wire)
}

/** Ns per call. Each side has a loop of its own, so that its call site sees one function only. */
function timeResolve(compiled: CompiledSnapshot, requests: readonly ResolveRequest[]): number {
  const from = performance.now()
  for (const request of requests) sink = resolve(compiled, request)
  return ((performance.now() - from) * 1e6) / requests.length
}

function timeFloor(floor: Floor, requests: readonly ResolveRequest[]): number {
  const from = performance.now()
  for (const request of requests) sink = floorResolve(floor, request)
  return ((performance.now() - from) * 1e6) / requests.length
}

const arms = ['none', 'incumbent', 'candidate'] as const

const essence = (served: Served): unknown => ({
  composite: served.composite.id,
  arm: served.arm,
  seq: served.seq,
  tenantSeq: served.tenantSeq,
  slice: served.slice,
})

const floorEssence = (decision: FloorDecision): unknown => ({
  ...decision,
  composite: decision.composite.id,
  arm: arms[decision.arm],
})

function assertEqualDecisions(wire: Wire, compiled: CompiledSnapshot, floor: Floor): void {
  const seen = new Set<string>()
  for (const request of decode(wire)) {
    const served = resolve(compiled, request)
    const decision = floorResolve(floor, request)
    deepStrictEqual(decision && floorEssence(decision), isServed(served) ? essence(served) : undefined)
    if (isServed(served)) seen.add(served.reason).add(served.arm)
  }
  for (const kind of [...arms, 'slice', 'settled', 'revoked']) if (!seen.has(kind)) throw new Error(`never ${kind}`)
}

const isServed = (answer: Served | Skipped): answer is Served => !('skip' in answer)

async function servingRow(): Promise<Row> {
  const [world] = worlds
  if (world === undefined) throw new Error('there is no world')
  const compiled = compileSnapshot(snapshotOf(world))
  const decisions = decode(wireOf(world, 'bound', callsPerRound, seed)).flatMap(
    (request): [Served, ServingContext][] => {
      const served = resolve(compiled, request)
      const { task, tenant, conversation, startedAt } = request
      return isServed(served)
        ? [[served, { task, tenant, conversation, startedAt, ageMs: 12, headSeq: 24, stale: false }]]
        : []
    },
  )
  const runner: Runner = () => Promise.reject(new Error('nothing runs here'))
  const { ours } = await inTurns({ rounds, warmUp, sides: { ours: () => timeServing(decisions, runner) } })
  const bytes = bytesPerCall(decisions.length, () => () => void timeServing(decisions, runner))
  return { step: 'new Serving of a decision', ns: rounded(median(ours)), bytes }
}

function timeServing(decisions: readonly (readonly [Served, ServingContext])[], runner: Runner): number {
  const from = performance.now()
  for (const [decision, context] of decisions) sink = new Serving(decision, context, runner)
  return ((performance.now() - from) * 1e6) / decisions.length
}
