import type { WorkflowHandle } from '@temporalio/client'
import type { ReleasePhase, ReleaseState } from '../../src/domain/release'
import { commandSignals, commandUpdates, releaseStatus } from '../../workflows/messages'
import { type Script, scriptedPlanDigest } from './scripted-release'

/** One way a release can go: the script of its activities, what people do meanwhile, and how it ends. */
export interface ScriptedPath {
  readonly name: string
  readonly script: Script
  readonly people?: (handle: WorkflowHandle) => Promise<void>
  readonly ends: ReleasePhase | 'cancelled'
}

const by = (reason: string) => ({ by: 'ann', reason })
const baking: Script = { steps: 3, bakeMs: 3_600_000 }

/** The deadline passes while nobody looks. */
const overdue = { bakeMs: 0, deadlineMs: 300, onDeadline: 'rollback', waits: true } as const

async function until(handle: WorkflowHandle, fact: (state: ReleaseState) => boolean): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (fact(await handle.query(releaseStatus))) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the release never got there')
}

const inStep = (name: string) => (state: ReleaseState) => state.step?.name === name && state.baking
const isPhase = (phase: ReleasePhase) => (state: ReleaseState) => state.phase === phase

/** Every interesting way through the workflow `release`; each has a recorded history that must replay. */
export const scriptedPaths: readonly ScriptedPath[] = [
  { name: 'done', script: { steps: 6, bakeMs: 50 }, ends: 'done' },
  {
    name: 'done-with-failed-deliveries',
    script: { steps: 1, bakeMs: 0, failedDeliveries: 2 },
    ends: 'done_with_failed_deliveries',
  },
  {
    name: 'taken-back-while-it-closed',
    script: { steps: 1, bakeMs: 0, takenBack: true },
    ends: 'rolled_back',
  },
  { name: 'refused', script: { steps: 1, bakeMs: 0, refused: true }, ends: 'refused' },
  { name: 'blocked', script: { steps: 1, bakeMs: 0, verdict: 'fail' }, ends: 'blocked' },
  { name: 'smoke-fails', script: { steps: 2, bakeMs: 0, smokePasses: false }, ends: 'rolled_back' },
  {
    name: 'shadow-passes',
    script: { steps: 3, bakeMs: 0, shadow: { kind: 'pass', reason: 'no harm in 200 conversations' } },
    ends: 'done',
  },
  {
    name: 'shadow-fails',
    script: { steps: 3, bakeMs: 0, shadow: { kind: 'fail', reason: 'error rate is worse' } },
    ends: 'rolled_back',
  },
  {
    name: 'shadow-differs',
    script: { steps: 3, bakeMs: 0, shadow: { kind: 'pause', reason: 'csat is different' } },
    async people(handle) {
      await until(handle, isPhase('paused'))
      await handle.executeUpdate(commandUpdates.resume, { args: [by('that was wanted')] })
    },
    ends: 'done',
  },
  { name: 'harm', script: { ...baking, harmAfter: 'rollout-1' }, ends: 'rolled_back' },
  {
    name: 'superseded',
    script: {
      ...baking,
      bakeMs: 0,
      advances: [
        { kind: 'appended', seq: 1, verdicts: [] },
        { kind: 'moved', cause: 'settle' },
      ],
    },
    ends: 'superseded',
  },
  {
    name: 'rolled-back-elsewhere',
    script: { ...baking, bakeMs: 0, advances: [{ kind: 'moved', cause: 'rollback' }] },
    ends: 'rolled_back',
  },
  {
    name: 'overdue',
    script: { steps: 2, ...overdue, advances: [{ kind: 'appended', seq: 1, verdicts: [] }, { kind: 'late' }] },
    ends: 'rolled_back',
  },
  { name: 'late-evidence', script: { steps: 2, ...overdue }, ends: 'done' },
  {
    name: 'approved',
    script: { steps: 2, bakeMs: 0, approvals: 1 },
    ends: 'done',
    async people(handle) {
      await until(handle, isPhase('awaiting_approval'))
      await handle.signal(commandSignals.approve, { ...by('wrong plan'), plan: 'sha256:0' })
      await handle.executeUpdate(commandUpdates.approve, { args: [{ ...by('read it'), plan: scriptedPlanDigest }] })
    },
  },
  {
    name: 'rejected',
    script: { steps: 2, bakeMs: 0, approvals: 1 },
    ends: 'rejected',
    async people(handle) {
      await until(handle, isPhase('awaiting_approval'))
      await handle.signal(commandSignals.reject, by('not now'))
    },
  },
  {
    name: 'paused-and-rolled-back',
    script: baking,
    ends: 'rolled_back',
    async people(handle) {
      await until(handle, inStep('rollout-1'))
      await handle.signal(commandSignals.pause, by('odd'))
      await handle.signal('explode', 'rubbish')
      await until(handle, isPhase('paused'))
      await handle.executeUpdate(commandUpdates.resume, { args: [by('fine')] })
      await handle.signal(commandSignals.rollback, by('not fine'))
    },
  },
  {
    name: 'advanced',
    script: baking,
    ends: 'done',
    async people(handle) {
      await until(handle, inStep('rollout-1'))
      await handle.executeUpdate(commandUpdates.advance, { args: [by('seen enough')] })
      await until(handle, inStep('rollout-2'))
      await handle.signal(commandSignals.advance, by('seen enough'))
    },
  },
  {
    name: 'disabled',
    script: { steps: 2, bakeMs: 0, advances: [{ kind: 'appended', seq: 1, verdicts: [] }, { kind: 'disabled' }] },
    ends: 'done',
    async people(handle) {
      await until(handle, isPhase('paused'))
      await handle.signal(commandSignals.resume, by('enabled again'))
    },
  },
  {
    name: 'cancelled',
    script: baking,
    ends: 'cancelled',
    async people(handle) {
      await until(handle, inStep('rollout-1'))
      await handle.cancel()
    },
  },
]
