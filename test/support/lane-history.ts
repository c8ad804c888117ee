import fc from 'fast-check'
import type { Slice } from '../../src/domain/allocation'
import type { ServedComposite } from '../../src/domain/composite'
import type { LaneEntry, Snapshot, TenantView } from '../../src/domain/snapshot'
import {
  type LanePin,
  type Ring,
  rings,
  type TenantState,
  type TenantTask,
  unknownTenant,
} from '../../src/domain/tenant'
import type { Digest } from '../../src/domain/version'

export const task = 'csat-scoring'
export const environment = 'production'
export const tenants = ['acme', 'globex', '__proto__', 'constructor'] as const

export const digest = (number: number): Digest => `sha256:v${number}`

/** What people do to one lane and its tenants; `waitMs` passes before it. */
export type SceneEvent = { readonly waitMs: number } & (
  | { readonly do: 'step'; readonly version: number; readonly exposure: readonly Slice[]; readonly leadMs: number }
  | { readonly do: 'settle'; readonly version: number; readonly leadMs: number }
  | { readonly do: 'rollback' | 'disable' | 'enable' }
  | { readonly do: 'ring'; readonly tenant: string; readonly ring: Ring }
  | { readonly do: 'runs'; readonly tenant: string; readonly runs: boolean }
  | { readonly do: 'opt_out' | 'reset'; readonly tenant: string }
  | { readonly do: 'override'; readonly tenant: string; readonly version: number }
)

/** A moment of a history: what an application would hold then, and the clock. */
export interface Scene {
  readonly now: number
  readonly snapshot: Snapshot
}

/** A lane as its ledger would be written, without any code of the product: each event appends what it may. */
class SceneWriter {
  now = 1_000
  private readonly entries: LaneEntry[] = []
  private readonly tenants = new Map<string, TenantView[]>()
  private stack: Digest[] = []
  private release = 0

  get scene(): Scene {
    const composites = Object.fromEntries(
      Array.from({ length: 8 }, (_, number) => [digest(number), served(digest(number))]),
    )
    const lane = { task, entries: [...this.entries] }
    const known = Object.fromEntries([...this.tenants].map(([tenant, history]) => [tenant, [...history]]))
    const version = `${this.entries.length} ${[...this.tenants.values()].map(({ length }) => length).join(' ')}`
    const snapshot = { specVersion: 1, environment, version, leadMs: 50, composites } as const
    return { now: this.now, snapshot: { ...snapshot, lanes: { [task]: lane }, tenants: known } }
  }

  apply(event: SceneEvent): void {
    this.now += event.waitMs
    const head = this.entries.at(-1)
    switch (event.do) {
      case 'step':
      case 'settle':
        if (head?.disabled !== true) this.forward(event, head)
        return
      case 'rollback':
        if (head !== undefined) this.rollback(head)
        return
      case 'disable':
      case 'enable':
        if (head !== undefined) this.flag(head, event.do === 'disable')
        return
      default:
        this.changeTenant(event)
    }
  }

  private forward(event: Extract<SceneEvent, { do: 'step' | 'settle' }>, head: LaneEntry | undefined): void {
    const composite = digest(event.version)
    const incumbent = this.stack.at(-1)
    const { at } = { at: Math.max(this.now + event.leadMs, (head?.at ?? 0) + 1) }
    if (head?.candidate !== composite) this.release++
    const salt = `release-${this.release}`
    if (event.do === 'settle') {
      this.append({ at, incumbent: composite, exposure: [], salt })
      if (incumbent !== composite) this.stack.push(composite)
    } else if (composite !== incumbent) {
      this.append({ at, candidate: composite, exposure: event.exposure, salt, ...(incumbent ? { incumbent } : {}) })
    }
  }

  private rollback(head: LaneEntry): void {
    const target = head.candidate === undefined ? this.stack.at(-2) : this.stack.at(-1)
    if (head.candidate === undefined && target === undefined) return
    const revokes = [head.incumbent, head.candidate].filter((one) => one !== undefined && one !== target) as Digest[]
    if (head.candidate === undefined) this.stack.pop()
    const disabled = target === undefined || head.disabled === true
    this.append({
      at: Math.max(this.now, head.at + 1),
      exposure: [],
      salt: `rollback-${head.seq}`,
      revokes,
      ...(target === undefined ? {} : { incumbent: target }),
      ...(disabled ? { disabled: true } : {}),
    })
  }

  private flag(head: LaneEntry, disabled: boolean): void {
    if ((head.disabled === true) === disabled) return
    const { seq: _seq, revokes: _revokes, disabled: _disabled, ...repeated } = head
    const at = Math.max(this.now, head.at + 1)
    this.append({ ...repeated, at, ...(disabled ? { disabled: true } : {}) })
  }

  private append(entry: Omit<LaneEntry, 'seq'>): void {
    this.entries.push({ seq: this.entries.length + 1, ...entry })
  }

  private changeTenant(event: Extract<SceneEvent, { tenant: string }>): void {
    const history = this.tenants.get(event.tenant) ?? []
    const before = history.at(-1)
    const state = this.tenantState(before?.state ?? unknownTenant, event)
    if (state === undefined) return
    const at = Math.max(this.now + 50, (before?.at ?? 0) + 1)
    this.tenants.set(event.tenant, [...history, { seq: history.length + 1, at, state }])
  }

  private tenantState(
    state: Pick<TenantState, 'ring' | 'tasks'>,
    event: Extract<SceneEvent, { tenant: string }>,
  ): Pick<TenantState, 'ring' | 'tasks'> | undefined {
    const settings: TenantTask = state.tasks[task] ?? {}
    const having = (next: TenantTask) => ({ ring: state.ring, tasks: { [task]: next } })
    switch (event.do) {
      case 'ring':
        return { ...state, ring: event.ring }
      case 'runs':
        return having({ ...settings, runs: event.runs })
      case 'reset':
        return having(settings.runs === undefined ? {} : { runs: settings.runs })
      case 'opt_out': {
        const incumbent = this.stack.at(-1)
        return incumbent && having({ ...settings, optOut: { [environment]: this.pin(incumbent) } })
      }
      case 'override': {
        const base = this.stack.at(-1)
        return (
          base && having({ ...settings, override: { base, pins: { [environment]: this.pin(digest(event.version)) } } })
        )
      }
    }
  }

  private pin(composite: Digest): LanePin {
    return { composite, head: this.entries.length }
  }
}

const served = (id: Digest): ServedComposite => ({ id, roles: {}, contents: {} })

/** The scene before the first event and after each. */
export function scenesOf(events: readonly SceneEvent[]): readonly Scene[] {
  const writer = new SceneWriter()
  const scenes = [writer.scene]
  for (const event of events) {
    writer.apply(event)
    scenes.push(writer.scene)
  }
  return scenes
}

const version = fc.integer({ min: 0, max: 4 })
const leadMs = fc.constantFrom(0, 50)
const tenant = fc.constantFrom(...tenants)
const slice: fc.Arbitrary<Slice> = fc.record({
  to: fc.oneof(
    { weight: 3, arbitrary: fc.constant<'rest'>('rest') },
    { weight: 2, arbitrary: fc.record({ ring: fc.constantFrom(...rings) }) },
    { weight: 1, arbitrary: fc.record({ tenants: fc.array(tenant, { maxLength: 2 }) }) },
  ),
  basisPoints: fc.oneof(fc.constantFrom(0, 10_000), fc.integer({ min: 0, max: 10_000 })),
  by: fc.constantFrom('conversation', 'tenant'),
})
const waitMs = fc.constantFrom(0, 1, 10, 100)

const laneEvent: fc.Arbitrary<SceneEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('step'),
      version,
      exposure: fc.array(slice, { maxLength: 3 }),
      leadMs,
      waitMs,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), version, leadMs, waitMs }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rollback'), waitMs }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('disable', 'enable'), waitMs }) },
) as fc.Arbitrary<SceneEvent>

const tenantEvent: fc.Arbitrary<SceneEvent> = fc.oneof(
  fc.record({ do: fc.constant('ring'), tenant, ring: fc.constantFrom(...rings), waitMs }),
  fc.record({ do: fc.constant('runs'), tenant, runs: fc.boolean(), waitMs }),
  fc.record({ do: fc.constantFrom('opt_out', 'reset'), tenant, waitMs }),
  fc.record({ do: fc.constant('override'), tenant, version: fc.integer({ min: 0, max: 6 }), waitMs }),
) as fc.Arbitrary<SceneEvent>

/** Histories of a lane and its tenants, as long as a few releases. */
export const sceneEvents: fc.Arbitrary<readonly SceneEvent[]> = fc.array(
  fc.oneof({ weight: 3, arbitrary: laneEvent }, { weight: 2, arbitrary: tenantEvent }),
  { minLength: 1, maxLength: 24 },
)
