import { setTimeout as pause } from 'node:timers/promises'
import type { ReleaseRecord } from '../../src/store/releases'
import type { DemoGround } from './ground'
import type { Manager } from './manager'
import type { Say } from './say'
import type { Traffic } from './traffic'
import { workspace } from './transcripts'

export const task = 'csat-scoring'
export const production = 'production'

/** Tenants with a will of their own. */
export const tenants = { optedOut: 'hazel', overridden: 'harbor' } as const

/** What happens, with what a scene leaves behind for the claims. */
export interface Story {
  readonly good: ReleaseRecord
  readonly cost: ReleaseRecord
  readonly error: ReleaseRecord
  readonly signalled: ReleaseRecord
}

export interface Stage {
  readonly ground: DemoGround
  readonly manager: Manager
  readonly traffic: Traffic
  readonly say: Say
}

/** Registers the workspace and puts the first composite in production, before there is any traffic. */
export async function deployFirst({ ground, manager, say }: Omit<Stage, 'traffic'>): Promise<ReleaseRecord> {
  const pushed = await manager.do('push', workspace)
  say.event('push', pushed.out.trim().split('\n').at(-1) ?? '')
  const first = await manager.release('first', '--policy', 'immediate')
  const record = await first.ended
  await untilInForce(ground)
  return record
}

/** The first entry counts a moment after it was written; conversations from before it would never be served. */
async function untilInForce({ store }: DemoGround): Promise<void> {
  const head = await store.ledger.head(production, task)
  const now = await store.database.now()
  await pause(Math.max(0, (head?.at ?? now) - now))
}

/** One tenant stays on what it has; another gets a prompt of its own, which is refused until it is tested. */
export async function settleTenants({ manager, say }: Stage): Promise<void> {
  const { optedOut, overridden } = tenants
  await manager.do('tenant', 'opt-out', optedOut, task, '--reason', 'frozen until their audit is over')
  const own = ['--prompt', `csat-${overridden}@1.0.0`, '--reason', 'their own wording']
  const override = ['tenant', 'override', overridden, task, ...own]
  const untested = await manager.sluice([...override, '--json'])
  const refusal = JSON.parse(untested.err) as { code: string; details: { candidate: string; incumbent: string } }
  say.event('refused', `${refusal.code}: the prompt of ${overridden} is not tested yet`)
  const { candidate, incumbent } = refusal.details
  await manager.do('eval', 'run', 'airline@1.0.0', '--candidate', candidate, '--incumbent', incumbent)
  await manager.do(...override)
}

/** Where a rollback holds the task. */
export const heldEnvironments = ['production', 'staging'] as const

/** A person has looked, and lets the next release of the task start. The composite stays vetoed. */
async function lift({ manager }: Stage): Promise<void> {
  for (const environment of heldEnvironments) {
    await manager.do('hold', 'lift', task, '--env', environment, '--reason', 'the cause is known')
  }
}

/** A release that its guardrails must take back by themselves. */
export async function spike(stage: Stage, file: string): Promise<ReleaseRecord> {
  const release = await stage.manager.release(file)
  const record = await release.ended
  await lift(stage)
  return record
}

export async function goodRelease({ manager }: Stage): Promise<ReleaseRecord> {
  return (await manager.release('transferred-calls')).ended
}

/** Requests of the candidate before it is paused, so that the rollback has conversations to move. */
const enoughServed = 40
const pausedMs = 2_000
const pollMs = 100

const servedWithinMs = 60_000

/** Approved, paused and rolled back by signals of the `temporal` program alone. */
export async function signalledRelease(stage: Stage): Promise<ReleaseRecord> {
  const { manager, traffic } = stage
  const { id, ended } = await manager.release('short-summaries')
  const waiting = await manager.until(id, 'it waits for approval', ({ live }) => live?.phase === 'awaiting_approval')
  const { planDigest: plan = '', candidate = '' } = waiting.live ?? {}
  await manager.signal(task, 'approve', { by: 'ann', reason: 'read plan and diff', plan })
  for (const from = performance.now(); (traffic.served.get(candidate) ?? 0) < enoughServed; ) {
    if (performance.now() - from > servedWithinMs) throw new Error('the approved release was never served')
    await Promise.race([pause(pollMs), stopAt(ended)])
  }
  await manager.signal(task, 'pause', { by: 'ann', reason: 'two customers ask where the second sentence went' })
  await manager.until(id, 'it is paused', ({ live }) => live?.phase === 'paused')
  await pause(pausedMs)
  await manager.signal(task, 'rollback', { by: 'ann', reason: 'they want it back' })
  const record = await ended
  await lift(stage)
  return record
}

/** A release that ends before its scene wants it to stops the demo instead of being waited for. */
async function stopAt(ended: Promise<ReleaseRecord>): Promise<never> {
  const { phase, reason } = await ended
  throw new Error(`the release is ${phase} too early: ${reason}`)
}

const disabledMs = 4_000
const enabledMs = 3_000

/** The task is turned off and on again while customers talk. */
export async function switchOffAndOn({ manager }: Stage): Promise<void> {
  const place = ['--env', production]
  await manager.do('disable', task, ...place, '--reason', 'the provider is under suspicion')
  await pause(disabledMs)
  await manager.do('enable', task, ...place, '--reason', 'it is cleared')
  await pause(enabledMs)
}
