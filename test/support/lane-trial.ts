import { compileSnapshot } from '../../src/domain/compiled-snapshot'
import { resolve } from '../../src/domain/resolve'
import type { Digest } from '../../src/domain/version'
import { SluiceError } from '../../src/errors'
import { author, type LaneGround, type TestLane } from './lane-ground'
import { LaneModel } from './lane-model'
import { liftAll } from './lift'

/** What is done to one lane and its tenants. */
export type Act =
  | { readonly do: 'step'; readonly version: Chosen; readonly basisPoints: number; readonly leadMs: number }
  | { readonly do: 'settle'; readonly version: Chosen; readonly leadMs: number }
  | { readonly do: 'withdraw' | 'rollback'; readonly hold: boolean; readonly veto: boolean }
  | { readonly do: 'rollback to'; readonly version: number }
  | { readonly do: 'disable' | 'enable' | 'lift' }
  | { readonly do: 'opt out' | 'reset'; readonly tenant: string }
  | { readonly do: 'override'; readonly tenant: string; readonly version: number }
  | { readonly do: 'begin'; readonly tenant: string; readonly keeps: 'binding' | 'start' }

/** `done`, or the code of the refusal. */
export type Code = 'done' | string

/** The candidate of the running release, or one of the versions. */
export type Chosen = number | 'candidate'

export const tenants = ['acme', 'globex', 'initech'] as const
const probes = Array.from({ length: 30 }, (_, index) => ({
  tenant: tenants[index % 3] as string,
  conversation: `probe-${index}`,
}))
/** Ahead of every lead: conversations that begin then meet the newest entries. */
const later = 10_000

/** The real store and its model, side by side. */
export class LaneTrial {
  readonly model = new LaneModel()
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
        if (!model.settledOnce.has(target)) return 'not_settled'
        if (model.vetoed.has(target)) return 'vetoed'
        return model.candidate === undefined && model.incumbent === target ? 'nothing' : 'done'
      }
      case 'disable':
      case 'enable':
        return model.timeline.length === 0 ? 'not_found' : 'done'
      case 'lift':
        return 'done'
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
        if (created) this.model.repeat(entry.at)
        return
      }
      case 'lift': {
        await liftAll(this.ground.store.ledger, 'production', this.lane.task)
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
