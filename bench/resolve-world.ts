import type { ServedComposite } from '../src/domain/composite'
import type { ResolveRequest } from '../src/domain/resolve'
import type { LaneEntry, LaneView, Snapshot, TenantView } from '../src/domain/snapshot'
import { rings, type TenantTask } from '../src/domain/tenant'
import type { Digest } from '../src/domain/version'

/** How large the world is that an application holds in memory. */
export interface World {
  readonly name: string
  readonly tasks: number
  readonly tenants: number
  /** Entries of each lane's ledger. */
  readonly entries: number
  /** Every so many-th (tenant, task) pair of known tenants has an override; 0: none. */
  readonly overrideEvery: number
}

export const worlds: readonly World[] = [
  { name: '1 task', tasks: 1, tenants: 40, entries: 24, overrideEvery: 0 },
  { name: '200 tasks × 1,000 overriding tenants', tasks: 200, tenants: 1_000, entries: 24, overrideEvery: 2 },
  { name: '1,000 tasks × 100,000 tenants', tasks: 1_000, tenants: 100_000, entries: 24, overrideEvery: 1_000 },
  { name: '1 task, 10,000 entries', tasks: 1, tenants: 40, entries: 10_000, overrideEvery: 0 },
]

const environment = 'production'
const stepMs = 1_000
const begins = 1_700_000_000_000
const composites = 16

/** A small generator with a seed, so that every run asks the same. Mulberry32 (Ettinger, public domain). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * below)
  }
}

const digest = (number: number): Digest => `sha256:${(number % composites).toString(16).padStart(64, '0')}`
const taskName = (index: number): string => `task-${index}`
const tenantName = (index: number): string => `tenant-${String(index).padStart(6, '0')}`

export function snapshotOf(world: World): Snapshot {
  const served = Array.from({ length: composites }, (_, index): [Digest, ServedComposite] => [
    digest(index),
    { id: digest(index), roles: {}, contents: {} },
  ])
  const lanes = Array.from({ length: world.tasks }, (_, index): [string, LaneView] => [
    taskName(index),
    { task: taskName(index), entries: ledgerOf(world.entries, index) },
  ])
  const tenants = Array.from({ length: world.tenants }, (_, index): [string, TenantView[]] => [
    tenantName(index),
    historyOf(world, index),
  ])
  return {
    specVersion: 1,
    environment,
    version: world.name,
    leadMs: 2_000,
    lanes: Object.fromEntries(lanes),
    tenants: Object.fromEntries(tenants),
    composites: Object.fromEntries(served),
  }
}

/** Releases of three steps and a settle, every fourth of them rolled back; the head is the middle of a release. */
function ledgerOf(length: number, lane: number): LaneEntry[] {
  return Array.from({ length }, (_, index): LaneEntry => {
    const release = Math.floor(index / 4)
    const place = index === length - 1 ? 1 : index % 4
    const [incumbent, candidate] = [digest(release + lane), digest(release + lane + 1)]
    const base = {
      seq: index + 1,
      at: begins + index * stepMs,
      salt: `01JD8Z0Q0V5T3N7W9Y2X4B${String(release).padStart(4, '0')}`,
    }
    if (place === 3) {
      const back = release % 4 === 3
      return {
        ...base,
        incumbent: back ? incumbent : candidate,
        exposure: [],
        ...(back ? { revokes: [candidate] } : {}),
      }
    }
    const share = [1_000, 5_000, 9_500][place] ?? 0
    const pilots = { to: { ring: 'pilot' }, basisPoints: Math.max(5_000, share), by: 'conversation' } as const
    return { ...base, incumbent, candidate, exposure: [pilots, { to: 'rest', basisPoints: share, by: 'conversation' }] }
  })
}

function historyOf({ tasks, entries, overrideEvery }: World, tenant: number): TenantView[] {
  const overridden = Array.from({ length: tasks }, (_, task) => task).filter(
    (task) => overrideEvery > 0 && (tenant + task) % overrideEvery === 0,
  )
  const pins = overridden.map((task): [string, TenantTask] => [
    taskName(task),
    { override: { base: digest(tenant), pins: { [environment]: { composite: digest(tenant), head: entries } } } },
  ])
  const ring = rings[tenant % rings.length] ?? 'general'
  return [
    { seq: 1, at: begins, state: { ring, tasks: {} } },
    { seq: 2, at: begins + 2, state: { ring, tasks: Object.fromEntries(pins) } },
  ]
}

/** `start`: the first request of a conversation; `bound`: a later one, which hands its binding back. */
export type Asking = 'start' | 'bound'

/** Requests as bytes on the wire: each use decodes fresh strings, whose hashes nobody has computed yet. */
export interface Wire {
  readonly asks: readonly Ask[]
  readonly bytes: Buffer
}

interface Ask {
  readonly task: string
  readonly startedAt: number
  readonly tenantEnd: number
  readonly conversationEnd: number
  readonly bindingEnd: number
}

const knownShare = 3

/** Two thirds of the requests come from tenants the ledger knows. */
export function wireOf(world: World, asking: Asking, count: number, seed: number): Wire {
  const random = randomFrom(seed)
  const hex = () => random(0x1_0000_0000).toString(16).padStart(8, '0')
  const texts: string[] = []
  let end = 0
  const put = (text: string): number => {
    texts.push(text)
    end += text.length
    return end
  }
  const tasks = Array.from({ length: world.tasks }, (_, index) => taskName(index))
  const asks = Array.from({ length: count }, (): Ask => {
    const known = random(knownShare) > 0
    const tenantEnd = put(known ? tenantName(random(world.tenants)) : `visitor-${String(random(1e6)).padStart(6, '0')}`)
    const conversationEnd = put(
      `${hex()}-${hex().slice(0, 4)}-${hex().slice(0, 4)}-${hex().slice(0, 4)}-${hex()}${hex().slice(0, 4)}`,
    )
    const seq = 1 + random(world.entries)
    const binding = asking === 'bound' ? `b1.${seq}.${known ? 2 : 0}` : ''
    const startedAt = begins + (seq - 1) * stepMs + 3 + random(stepMs - 3)
    return {
      task: tasks[random(world.tasks)] as string,
      startedAt,
      tenantEnd,
      conversationEnd,
      bindingEnd: put(binding),
    }
  })
  return { asks, bytes: Buffer.from(texts.join(''), 'latin1') }
}

export function decode({ asks, bytes }: Wire): ResolveRequest[] {
  let from = 0
  return asks.map(({ task, startedAt, tenantEnd, conversationEnd, bindingEnd }) => {
    const tenant = bytes.toString('latin1', from, tenantEnd)
    const conversation = bytes.toString('latin1', tenantEnd, conversationEnd)
    const binding = bindingEnd > conversationEnd ? bytes.toString('latin1', conversationEnd, bindingEnd) : undefined
    from = bindingEnd
    return { task, tenant, conversation, binding, startedAt, allowBehind: undefined }
  })
}
