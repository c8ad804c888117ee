import fc from 'fast-check'
import { compileSnapshot } from '../../src/domain/compiled-snapshot'
import { resolve } from '../../src/domain/resolve'
import type { Digest } from '../../src/domain/version'
import { SluiceError } from '../../src/errors'
import { author, type LaneGround, laneGround, type TestLane } from '../support/lane-ground'
import { plainBucket } from '../support/plain-resolve'

/**
 * Random releases, rollbacks, switches and tenants on the real store, beside a model that knows no sequence numbers,
 * bindings or revocations: it remembers for every conversation what it was served first, and moves it only when that
 * very version is rolled back.
 */
type Act =
  | { readonly do: 'step'; readonly version: Chosen; readonly basisPoints: number; readonly leadMs: number }
  | { readonly do: 'settle'; readonly version: Chosen; readonly leadMs: number }
  | { readonly do: 'withdraw' | 'rollback'; readonly hold: boolean; readonly veto: boolean }
  | { readonly do: 'rollback to'; readonly version: number }
  | { readonly do: 'disable' | 'enable' | 'lift' }
  | { readonly do: 'opt out' | 'reset'; readonly tenant: string }
  | { readonly do: 'override'; readonly tenant: string; readonly version: number }
  | { readonly do: 'begin'; readonly tenant: string; readonly keeps: 'binding' | 'start' }

type Code = 'done' | string

/** The candidate of the running release, or one of the versions. */
type Chosen = number | 'candidate'

interface Allocated {
  readonly at: number
  readonly incumbent?: Digest | undefined
  readonly candidate?: Digest | undefined
  readonly basisPoints: number
  readonly salt: string
}

interface Pinned {
  readonly at: number
  /** A holder, so that a revocation moves whoever is on it. */
  readonly pin?: { composite: Digest | undefined }
}

interface Conversation {
  readonly tenant: string
  readonly conversation: string
  readonly startedAt: number
  readonly binding?: string
  serves: Digest | undefined
}

const tenants = ['acme', 'globex', 'initech'] as const
const probes = Array.from({ length: 30 }, (_, index) => ({
  tenant: tenants[index % 3] as string,
  conversation: `probe-${index}`,
}))
/** Ahead of every lead: conversations that begin then meet the newest entries. */
const later = 10_000

class Model {
  readonly timeline: Allocated[] = []
  readonly pins = new Map<string, Pinned[]>()
  readonly conversations: Conversation[] = []
  readonly settledOnce = new Set<Digest>()
  readonly vetoed = new Set<Digest>()
  stack: Digest[] = []
  candidate: Digest | undefined
  release: string | undefined
  justSettled = false
  held = false
  disabled = false
  releases = 0
  revoked = 0

  get incumbent(): Digest | undefined {
    return this.stack.at(-1)
  }

  /** What a conversation that begins at `moment` is served, by the newest allocation and pin that count then. */
  begins(tenant: string, conversation: string, moment: number): Digest | undefined {
    const entry = this.timeline.filter(({ at }) => at <= moment).at(-1)
    const pinned = (this.pins.get(tenant) ?? []).filter(({ at }) => at <= moment).at(-1)
    if (pinned?.pin !== undefined) return pinned.pin.composite
    if (entry?.candidate === undefined) return entry?.incumbent
    return plainBucket(entry.salt, tenant, conversation) < entry.basisPoints ? entry.candidate : entry.incumbent
  }

  allocate(at: number, basisPoints = 0): void {
    const { incumbent, candidate } = this
    this.timeline.push({ at, incumbent, candidate, basisPoints, salt: this.release ?? '' })
  }

  goBack(at: number, target: Digest | undefined, veto: boolean): void {
    const revokes = [this.incumbent, this.candidate].filter((one) => one !== undefined && one !== target)
    const place = target === undefined ? -1 : this.stack.lastIndexOf(target)
    if (target === undefined) this.stack = []
    else this.stack = place >= 0 ? this.stack.slice(0, place + 1) : [...this.stack.slice(0, -1), target]
    this.candidate = undefined
    this.release = undefined
    this.justSettled = false
    if (target === undefined) this.disabled = true
    for (const composite of revokes as Digest[]) {
      if (veto) this.vetoed.add(composite)
      for (const conversation of this.conversations.filter(({ serves }) => serves === composite)) {
        conversation.serves = target
        this.revoked++
      }
      for (const { pin } of [...this.pins.values()].flat()) if (pin?.composite === composite) pin.composite = target
    }
    // Allocations that still begin for somebody: those bound to an older one meet the revocation as well.
    for (const [index, entry] of this.timeline.entries()) {
      const moved = (one: Digest | undefined) => (one !== undefined && revokes.includes(one) ? target : one)
      this.timeline[index] = { ...entry, incumbent: moved(entry.incumbent), candidate: moved(entry.candidate) }
    }
    this.allocate(at)
  }
}

class Trial {
  readonly model = new Model()
  private readonly ground: LaneGround
  private readonly lane: TestLane
  private readonly versions: readonly Digest[]
  private readonly untested: Digest
  private readonly served = new Set<Digest>()
  private before: { readonly edits: number; readonly map: readonly (Digest | undefined)[] } | undefined
  private edits = 0

  constructor(ground: LaneGround, lane: TestLane, versions: readonly Digest[], untested: Digest) {
    this.ground = ground
    this.lane = lane
    this.versions = versions
    this.untested = untested
  }

  private version(chosen: Chosen): Digest {
    if (chosen === 'candidate') return this.model.candidate ?? (this.versions[0] as Digest)
    return this.versions[chosen] ?? this.untested
  }

  async perform(act: Act): Promise<Code> {
    try {
      return (await this.attempt(act)) ?? 'done'
    } catch (error) {
      if (error instanceof SluiceError) return error.code
      throw error
    }
  }

  /** What the model says the act leads to. */
  foresee(act: Act): Code {
    const { model } = this
    const forward = (version: Digest): Code => {
      if (model.disabled) return 'lane_disabled'
      if (model.held) return 'lane_held'
      if (model.vetoed.has(version)) return 'vetoed'
      if (model.candidate !== undefined && model.candidate !== version) return 'release_running'
      return version === this.untested ? 'undeployable' : 'done'
    }
    switch (act.do) {
      case 'step':
        return this.version(act.version) === model.incumbent ? 'invalid_entry' : forward(this.version(act.version))
      case 'settle':
        return forward(this.version(act.version))
      case 'withdraw':
        return model.release === undefined ? 'nothing' : 'done'
      case 'rollback':
        return this.previous() === undefined ? 'no_previous' : 'done'
      case 'rollback to': {
        const target = this.version(act.version)
        return !model.settledOnce.has(target) ? 'not_settled' : model.vetoed.has(target) ? 'vetoed' : 'done'
      }
      case 'disable':
      case 'enable':
      case 'lift':
        return model.timeline.length === 0 ? 'not_found' : 'done'
      case 'opt out':
        return model.incumbent === undefined ? 'not_found' : 'done'
      case 'override':
        // Nothing is ever compared with itself, so there is no evidence for what the base is already.
        if ([this.untested, model.incumbent ?? this.version(0)].includes(this.version(act.version)))
          return 'tenant_pending'
        return model.incumbent === undefined ? 'lane_moved' : 'done'
      case 'reset':
        return model.pins.get(this.named(act.tenant))?.at(-1)?.pin === undefined ? 'not_found' : 'done'
      case 'begin':
        return 'done'
    }
  }

  private previous(): Digest | undefined {
    const { model } = this
    if (model.candidate !== undefined) return model.incumbent
    return model.stack.slice(0, -1).findLast((one) => one !== model.incumbent && !model.vetoed.has(one))
  }

  private async attempt(act: Act): Promise<Code | undefined> {
    switch (act.do) {
      case 'step':
      case 'settle':
        await this.forward(act)
        return
      case 'withdraw':
      case 'rollback':
      case 'rollback to':
        return this.goBack(act)
      case 'disable':
      case 'enable': {
        const { entry, created } = await this.lane.flag(act.do === 'disable')
        this.model.disabled = act.do === 'disable'
        if (created) this.model.timeline.push({ ...(this.model.timeline.at(-1) as Allocated), at: entry.at })
        return
      }
      case 'lift': {
        const place = { environment: 'production', task: this.lane.task }
        await this.ground.store.ledger.liftHold(place)
        for (const veto of this.model.vetoed) await this.ground.store.ledger.liftHold(place, veto)
        this.model.vetoed.clear()
        this.model.held = false
        return
      }
      case 'opt out':
      case 'override':
      case 'reset':
        return this.changeTenant(act)
      case 'begin':
        return this.begin(act)
    }
  }

  private async forward(act: Extract<Act, { do: 'step' | 'settle' }>): Promise<void> {
    const { model } = this
    const version = this.version(act.version)
    const goesOn = model.candidate === version && model.release !== undefined
    const releaseId = goesOn ? (model.release as string) : `release-${model.releases + 1}`
    const before = goesOn ? this.before : { edits: this.edits, map: await this.mapOfNew() }
    const options = { releaseId, leadMs: act.leadMs }
    if (act.do === 'step') {
      const exposure = [{ to: 'rest', basisPoints: act.basisPoints, by: 'conversation' }] as const
      const { entry } = await this.lane.step(version, { ...options, exposure })
      Object.assign(model, { candidate: version, release: releaseId, justSettled: false })
      model.allocate(entry.at, act.basisPoints)
    } else {
      const { entry } = await this.lane.settle(version, options)
      const again = model.incumbent === version
      Object.assign(model, { candidate: undefined, release: again ? undefined : releaseId, justSettled: true })
      if (!again) model.stack.push(version)
      model.settledOnce.add(version)
      model.allocate(entry.at)
    }
    this.before = before
    if (!goesOn) model.releases++
  }

  private async goBack(act: Extract<Act, { do: 'withdraw' | 'rollback' | 'rollback to' }>): Promise<Code | undefined> {
    const { model, before } = this
    const withdrawn = act.do === 'withdraw' ? (model.release ?? 'none') : undefined
    const target =
      act.do === 'rollback to'
        ? this.version(act.version)
        : act.do === 'rollback' || model.justSettled
          ? this.previous()
          : model.incumbent
    const { hold, veto } = act.do === 'rollback to' ? { hold: false, veto: false } : act
    const options =
      withdrawn === undefined ? (act.do === 'rollback to' && target ? { target } : {}) : { releaseId: withdrawn }
    const appended = await this.lane.rollback({ ...options, hold, veto })
    if (appended === undefined) return 'nothing'
    expect(appended.entry.incumbent).toBe(target)
    model.goBack(appended.entry.at, target, veto)
    if (hold) model.held = true
    // The rollback of a release restores the exact map of before its first step.
    if (withdrawn !== undefined && before?.edits === this.edits && !model.disabled) {
      // A tenant's own pin on the very version that is rolled back moves with it.
      const { revokes = [] } = appended.entry
      const restored = before.map.map((composite) => (composite && revokes.includes(composite) ? target : composite))
      expect(await this.mapOfNew()).toEqual(restored)
    }
    return
  }

  private async changeTenant(act: Extract<Act, { do: 'opt out' | 'override' | 'reset' }>): Promise<undefined> {
    const { store, policy } = this.ground
    const { model } = this
    const { task } = this.lane
    const before = await store.tenants.current(this.named(act.tenant))
    const given = { tenant: this.named(act.tenant), task }
    const base = model.incumbent ?? (this.versions[0] as Digest)
    const own = act.do === 'override' ? this.version(act.version) : base
    const entry =
      act.do === 'reset'
        ? await store.tenants.reset(given.tenant, task, author)
        : act.do === 'opt out'
          ? await store.tenants.optOut(given.tenant, task, author)
          : await store.tenants.override({ ...given, base, composite: own, policy }, author)
    this.edits++
    if (entry.seq === before?.seq) return
    const overridden = before?.state.tasks[task]?.override !== undefined
    const last = model.pins.get(given.tenant)?.at(-1)?.pin
    // An opt-out beside an override changes nothing that serves: the override wins.
    const pin =
      act.do === 'reset'
        ? {}
        : act.do === 'opt out' && overridden
          ? { pin: { composite: last?.composite } }
          : { pin: { composite: own } }
    model.pins.set(given.tenant, [...(model.pins.get(given.tenant) ?? []), { at: entry.at, ...pin }])
  }

  /** Tenants are known to the whole store; each trial has its own. */
  private named(tenant: string): string {
    return `${tenant}-${this.lane.task}`
  }

  private async begin(act: Extract<Act, { do: 'begin' }>): Promise<undefined> {
    const now = await this.ground.store.database.now()
    // In the very millisecond of an entry a start alone does not say on which side of it the conversation began.
    const startedAt = act.keeps === 'binding' ? now + later : now - 1
    const place = { tenant: this.named(act.tenant), conversation: `c-${this.model.conversations.length}` }
    const answer = await this.resolve({ ...place, startedAt })
    const serves = this.model.begins(place.tenant, place.conversation, startedAt)
    if (this.model.disabled) return
    expect(answer?.composite).toBe(serves)
    if (answer === undefined) return
    const kept = act.keeps === 'binding' ? { binding: answer.binding } : {}
    this.model.conversations.push({ ...place, startedAt, ...kept, serves })
  }

  private async resolve(request: { tenant: string; conversation: string; startedAt?: number; binding?: string }) {
    const compiled = compileSnapshot(await this.ground.snapshot())
    const answer = resolve(compiled, { task: this.lane.task, ...request })
    return 'skip' in answer ? undefined : { composite: answer.composite.id, binding: answer.binding }
  }

  /** What new conversations are served, by probe. */
  private async mapOfNew(): Promise<readonly (Digest | undefined)[]> {
    const compiled = compileSnapshot(await this.ground.snapshot())
    const startedAt = (await this.ground.store.database.now()) + later
    return probes.map(({ tenant, conversation }) => {
      const answer = resolve(compiled, { task: this.lane.task, tenant: this.named(tenant), conversation, startedAt })
      return 'skip' in answer ? undefined : answer.composite.id
    })
  }

  /** Every conversation is on the one version that the model says, and nothing untested serves anybody. */
  async check(): Promise<void> {
    const { model } = this
    const compiled = compileSnapshot(await this.ground.snapshot())
    for (const { tenant, conversation, startedAt, binding, serves } of model.conversations) {
      const how = binding === undefined ? { startedAt } : { binding }
      const answer = resolve(compiled, { task: this.lane.task, tenant, conversation, ...how })
      if (model.disabled) expect(answer).toEqual({ skip: 'disabled' })
      else if (serves === undefined) expect(answer).toEqual({ skip: 'not_deployed' })
      else expect('skip' in answer ? answer : answer.composite.id).toBe(serves)
      if (!('skip' in answer)) this.served.add(answer.composite.id)
    }
    expect(this.served.has(this.untested)).toBe(false)
    const { headSeq, settled, disabled } = await this.lane.state()
    expect({ headSeq, settled, disabled }).toEqual({
      headSeq: model.timeline.length,
      settled: model.stack,
      disabled: model.disabled,
    })
    expect(await this.lane.verify()).toBe(model.timeline.length)
  }
}

const version = fc.integer({ min: 0, max: 4 })
const chosen = fc.oneof(fc.constant('candidate'), version)
const leadMs = fc.constantFrom(0, 0, 500)
const basisPoints = fc.constantFrom(500, 2_500, 5_000, 9_500, 10_000)
const tenant = fc.constantFrom(...tenants)
const own = fc.integer({ min: 0, max: 5 })
const flags = { hold: fc.boolean(), veto: fc.boolean() }
const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('step'), version: chosen, basisPoints, leadMs }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle'), version: chosen, leadMs }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('withdraw', 'rollback'), ...flags }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rollback to'), version }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('disable', 'enable', 'enable') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lift') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('opt out', 'reset'), tenant }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('override'), tenant, version: own }) },
  {
    weight: 9,
    arbitrary: fc.record({ do: fc.constant('begin'), tenant, keeps: fc.constantFrom('binding', 'binding', 'start') }),
  },
) as fc.Arbitrary<Act>

describe('the store against its model', () => {
  let ground: LaneGround
  let versions: readonly Digest[]
  let untested: Digest

  beforeAll(async () => {
    ground = await laneGround()
    versions = await ground.tested(4)
    untested = await ground.composite(99)
  })
  afterAll(() => ground.end())

  it('serves each conversation one version, but for the rollback of that very version', async () => {
    const seen = { acts: 0, refused: 0, conversations: 0, moved: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 30, maxLength: 60 }), async (acts) => {
        const trial = new Trial(ground, await ground.lane(), versions, untested)
        for (const next of acts) {
          const foreseen = trial.foresee(next)
          expect([next, await trial.perform(next)]).toEqual([next, foreseen])
          await trial.check()
          seen.acts++
          if (foreseen !== 'done') seen.refused++
        }
        seen.conversations += trial.model.conversations.length
        seen.moved += trial.model.revoked
      }),
      { numRuns: 12, interruptAfterTimeLimit: 40_000, endOnFailure: true },
    )
    // A run in which nothing happened proves nothing.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5)
  }, 60_000)
})
