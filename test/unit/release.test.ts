import {
  type Command,
  type CommandName,
  closedPhases,
  command,
  commandNames,
  initialRelease,
  isClosed,
  noted,
  type ReleasePhase,
  type ReleaseState,
  withPhase,
} from '../../src/domain/release'
import type { ErrorCode } from '../../src/errors'

const plan = 'sha256:plan'
const base: ReleaseState = {
  ...initialRelease({ releaseId: 'r1', task: 'csat-scoring', author: 'ann' }),
  planDigest: plan,
  approvalRules: { notTheAuthor: false, trustSignals: false },
}
const step = { name: 'rollout-1', index: 1, of: 2 }
const paused = { by: 'ann', reason: 'lunch' }
const ending = { kind: 'rollback', by: 'ann', reason: 'errors' } as const

/** Every situation that a command can meet: each phase, and what makes a difference within it. */
const situations = {
  planning: { ...base, stage: 'plan' },
  baking: { ...base, stage: 'rollout', step, baking: true },
  'between bakes': { ...base, stage: 'rollout', step, waitingFor: ['the evidence of rollout-1'] },
  'paused while baking': withPhase({ ...base, stage: 'rollout', step, baking: true, paused }),
  'awaiting approval': withPhase({ ...base, approvalsWanted: 1 }),
  'awaiting approval, paused': withPhase({ ...base, approvalsWanted: 1, paused }),
  'rejected, about to close': { ...withPhase({ ...base, approvalsWanted: 1 }), ending: { ...ending, kind: 'reject' } },
  'rolling back': { ...base, phase: 'rolling_back', step, ending },
  ...Object.fromEntries(closedPhases.map((phase) => [phase, { ...base, phase }])),
} as Readonly<Record<string, ReleaseState>>

const order = (name: CommandName, changes: Partial<Command> = {}): Command => ({
  name,
  by: 'bob',
  reason: 'because',
  authenticated: true,
  at: 1,
  ...(name === 'approve' ? { plan } : {}),
  ...changes,
})

type Outcome = ReleasePhase | ErrorCode
type Row = Readonly<Record<CommandName, Outcome>>

const all = (outcome: Outcome): Row => Object.fromEntries(commandNames.map((name) => [name, outcome])) as Row
const refused = all('command_refused')

/** What each command by an authenticated person leads to: the phase after it, or the code of the refusal. */
const table: Readonly<Record<string, Row>> = {
  planning: { ...refused, pause: 'paused', rollback: 'rolling_back' },
  baking: { ...refused, pause: 'paused', advance: 'running', rollback: 'rolling_back' },
  'between bakes': { ...refused, pause: 'paused', rollback: 'rolling_back' },
  'paused while baking': { ...refused, resume: 'running', rollback: 'rolling_back' },
  'awaiting approval': {
    pause: 'paused',
    resume: 'command_refused',
    approve: 'running',
    reject: 'awaiting_approval',
    advance: 'command_refused',
    rollback: 'rolling_back',
  },
  'awaiting approval, paused': {
    pause: 'command_refused',
    resume: 'awaiting_approval',
    approve: 'paused',
    reject: 'paused',
    advance: 'command_refused',
    rollback: 'rolling_back',
  },
  'rejected, about to close': refused,
  'rolling back': refused,
  ...Object.fromEntries(closedPhases.map((phase) => [phase, all('release_closed')])),
}

function outcomeOf(state: ReleaseState, given: Command): Outcome {
  const result = command(state, given)
  return result.accepted ? result.state.phase : result.code
}

describe('the transition table of a release', () => {
  it('covers every phase', () => {
    const phases = new Set(Object.values(situations).map(({ phase }) => phase))
    const open: readonly ReleasePhase[] = ['running', 'awaiting_approval', 'paused', 'rolling_back']
    expect([...phases].sort()).toEqual([...open, ...closedPhases].sort())
    expect(Object.keys(table)).toEqual(Object.keys(situations))
  })

  const rows = Object.keys(situations).flatMap((name) => commandNames.map((verb) => [name, verb] as const))
  it.each(rows)('%s: %s', (name, verb) => {
    expect(outcomeOf(situations[name] as ReleaseState, order(verb))).toBe(table[name]?.[verb])
  })

  it.each(rows)('%s: %s never changes the state it is given, and a refusal says why', (name, verb) => {
    const before = situations[name] as ReleaseState
    const copy = structuredClone(before)
    const result = command(before, order(verb))
    expect(before).toEqual(copy)
    if (result.accepted) expect(result.state.notes).toHaveLength(before.notes.length + 1)
    else expect(result.message).not.toBe('')
  })

  it.each(commandNames)('%s needs a reason in every open phase', (verb) => {
    for (const state of Object.values(situations).filter(({ phase }) => !isClosed(phase))) {
      expect(outcomeOf(state, order(verb, { reason: ' \t' }))).toBe('reason_missing')
    }
  })
})

describe('an accepted command', () => {
  const accepted = (name: string, given: Command): ReleaseState => {
    const result = command(situations[name] as ReleaseState, given)
    if (!result.accepted) throw new Error(result.message)
    return result.state
  }

  it('pause and resume keep step and bake wish, and say who and why', () => {
    const held = accepted('baking', order('pause'))
    expect(held).toMatchObject({ phase: 'paused', paused: { by: 'bob', reason: 'because' }, step })
    expect(held.notes.at(-1)?.text).toBe('paused by bob: because')
    expect(accepted('paused while baking', order('resume')).paused).toBeUndefined()
  })

  it('a pause by a guardrail comes after one that somebody else asked for, once, so that nobody resumes it unread', () => {
    const fired = order('pause', { by: 'guardrail', reason: 'queue 90: the limit is 20', authenticated: false })
    const held = accepted('paused while baking', fired)
    expect(held).toMatchObject({
      phase: 'paused',
      paused: { by: 'ann', reason: 'lunch', next: { by: 'guardrail', reason: 'queue 90: the limit is 20' } },
    })
    expect(held.notes.at(-1)?.text).toBe('paused by guardrail: queue 90: the limit is 20')
    expect(outcomeOf(held, fired)).toBe('command_refused')
    const many = Array.from({ length: 100 }, (_, index) => `limit ${index} `.padEnd(200, 'x'))
    const flooded = many.reduce((state, reason) => {
      const result = command(state, { ...fired, reason })
      return result.accepted ? result.state : state
    }, held)
    expect(flooded.paused?.next?.reason.length).toBeLessThanOrEqual(2_000)
    expect(flooded.paused?.next?.reason).toMatch(/^limit 99 /)
    const still = command(held, order('resume'))
    const { state } = still as Extract<typeof still, { accepted: true }>
    expect([state.phase, state.paused]).toEqual(['paused', { by: 'guardrail', reason: 'queue 90: the limit is 20' }])
    expect(outcomeOf(state, order('resume'))).toBe('running')
  })

  it('advance asks for the rest of the bake to be skipped, and for nothing else', () => {
    const { notes: _notes, ...state } = accepted('baking', order('advance'))
    const { notes: _before, ...before } = situations.baking as ReleaseState
    expect(state).toEqual({ ...before, advanceAsked: true })
  })

  it('approve counts down and keeps who gave it', () => {
    const two = withPhase({ ...base, approvalsWanted: 2 })
    const first = command(two, order('approve'))
    if (!first.accepted) throw new Error(first.message)
    expect(first.state).toMatchObject({ phase: 'awaiting_approval', approvalsWanted: 1 })
    expect(outcomeOf(first.state, order('approve'))).toBe('command_refused')
    const second = command(first.state, order('approve', { by: 'cyd' }))
    expect(second).toMatchObject({ accepted: true, state: { phase: 'running', approvalsWanted: 0 } })
    expect(second.accepted && second.state.approvals.map(({ by }) => by)).toEqual(['bob', 'cyd'])
  })

  it.each(['rollback', 'reject'] as const)('%s sets the ending once, by whoever came first', (name) => {
    const state = accepted('awaiting approval', order(name))
    expect(state.ending).toEqual({ kind: name, by: 'bob', reason: 'because' })
    for (const verb of commandNames) expect(outcomeOf(state, order(verb))).toBe('command_refused')
  })
})

describe('an approval', () => {
  const waiting = (rules: Partial<ReleaseState['approvalRules']>, wanted = 1): ReleaseState =>
    withPhase({ ...base, approvalsWanted: wanted, approvalRules: { ...base.approvalRules, ...rules } })

  it.each([[undefined], ['sha256:other'], ['']])('of the plan %j is refused', (other) => {
    const { plan: _plan, ...without } = order('approve')
    expect(outcomeOf(waiting({}), other === undefined ? without : { ...without, plan: other })).toBe('plan_mismatch')
  })

  it('is refused before there is a plan, even of no plan', () => {
    const { planDigest: _digest, ...unplanned } = waiting({})
    const { plan: _plan, ...without } = order('approve')
    expect(outcomeOf(unplanned, without)).toBe('plan_mismatch')
  })

  it('by the author is taken only where the policy allows it', () => {
    expect(outcomeOf(waiting({}), order('approve', { by: 'ann' }))).toBe('running')
    expect(outcomeOf(waiting({ notTheAuthor: true }), order('approve', { by: 'ann' }))).toBe('command_refused')
  })
})

describe('a claim, as a signal makes it', () => {
  const claimed = (name: CommandName): Command => order(name, { authenticated: false })
  const trusting = (name: string): ReleaseState => {
    const state = situations[name] as ReleaseState
    return { ...state, approvalRules: { ...state.approvalRules, trustSignals: true } }
  }

  it.each([
    ['baking', 'pause', 'paused'],
    ['baking', 'rollback', 'rolling_back'],
    ['awaiting approval', 'reject', 'awaiting_approval'],
  ] as const)('%s: %s is enough, since it makes things safer', (name, verb, phase) => {
    expect(outcomeOf(situations[name] as ReleaseState, claimed(verb))).toBe(phase)
  })

  it.each([
    ['paused while baking', 'resume', 'running'],
    ['baking', 'advance', 'running'],
    ['awaiting approval', 'approve', 'running'],
  ] as const)('%s: %s is enough only under trustSignals', (name, verb, phase) => {
    expect(outcomeOf(situations[name] as ReleaseState, claimed(verb))).toBe('command_refused')
    expect(outcomeOf(trusting(name), claimed(verb))).toBe(phase)
  })

  it('never satisfies a quorum, not even its last part, nor "not the author"', () => {
    const state = trusting('awaiting approval')
    const quorum = { ...state, approvalsWanted: 2 }
    expect(outcomeOf(quorum, claimed('approve'))).toBe('command_refused')
    const first = command(quorum, order('approve'))
    if (!first.accepted) throw new Error(first.message)
    expect(outcomeOf(first.state, { ...claimed('approve'), by: 'cyd' })).toBe('command_refused')
    const rules = { ...state.approvalRules, notTheAuthor: true }
    expect(outcomeOf({ ...state, approvalRules: rules }, claimed('approve'))).toBe('command_refused')
  })
})

describe('the notes of a release', () => {
  it('are bounded, the oldest go first', () => {
    let state = base
    for (let index = 0; index < 120; index++) state = noted(state, index, `note ${index}`)
    expect([state.notes.length, state.notes[0]?.text, state.notes.at(-1)?.text]).toEqual([50, 'note 70', 'note 119'])
  })
})
