import {
  ApplicationFailure,
  log,
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import {
  type Command,
  type CommandName,
  command,
  commandNames,
  noted,
  type ReleaseState,
  withPhase,
} from '../src/domain/release'
import { detailsMarkdown } from './details'
import { type CommandPayload, commandSignals, commandUpdates, readCommandPayload, releaseStatus } from './messages'
import { searchAttributes } from './search-attributes'

/** The state of one running release: what people see of it, and the messages that change it. */
export interface ReleaseBoard {
  readonly state: ReleaseState
  /** Replaces the state and shows it. */
  set(change: (state: ReleaseState) => ReleaseState): void
  note(text: string): void
}

/** Sets all handlers at once, before anything is awaited: buffered messages run inside `setHandler`. */
export function openBoard(initial: ReleaseState): ReleaseBoard {
  let state = initial
  let shown = ''
  const set = (change: (state: ReleaseState) => ReleaseState): void => {
    state = withPhase(change(state))
    shown = show(state, shown)
  }
  const give = (name: CommandName, payload: CommandPayload, authenticated: boolean) =>
    command(state, commandOf(name, payload, authenticated))

  setHandler(releaseStatus, () => state)
  for (const name of commandNames) {
    setHandler(commandSignals[name], (value: unknown) => {
      const payload = readCommandPayload(value)
      if (payload === undefined) return note(`signal ${name} ignored: it needs {"by": "…", "reason": "…"}`)
      const result = give(name, payload, false)
      if (result.accepted) set(() => result.state)
      else note(`signal ${name} by ${payload.by} refused (${result.code}): ${result.message}`)
    })
    setHandler(
      commandUpdates[name],
      (value: CommandPayload) => {
        const result = give(name, checkedPayload(value), true)
        if (!result.accepted) throw ApplicationFailure.nonRetryable(result.message, result.code)
        set(() => result.state)
        return state
      },
      {
        validator: (value: CommandPayload) => {
          const result = give(name, checkedPayload(value), true)
          if (!result.accepted) throw ApplicationFailure.nonRetryable(result.message, result.code)
        },
      },
    )
  }
  setDefaultSignalHandler((name) => note(`unknown signal ${name} ignored; known are ${commandNames.join(', ')}`))

  function note(text: string): void {
    log.info(text)
    set((before) => noted(before, Date.now(), text))
  }
  shown = show(state, shown)
  return {
    get state() {
      return state
    },
    set,
    note,
  }
}

/** Nothing but what a command is made of, within bounds: who sends an update by hand may send anything. */
function checkedPayload(value: unknown): CommandPayload {
  const payload = readCommandPayload(value)
  if (payload === undefined) throw ApplicationFailure.nonRetryable('A command needs by and reason.', 'invalid_request')
  return payload
}

const commandOf = (name: CommandName, payload: CommandPayload, authenticated: boolean): Command => ({
  ...payload,
  name,
  authenticated,
  at: Date.now(),
})

/** Current details cost nothing; search attributes are an event each, so only a change of stage or state upserts. */
function show(state: ReleaseState, before: string): string {
  setCurrentDetails(detailsMarkdown(state))
  const now = `${state.releaseId} ${state.stage} ${state.phase} ${state.candidate ?? ''}`
  if (now !== before) {
    upsertSearchAttributes([
      { key: searchAttributes.task, value: state.task },
      { key: searchAttributes.stage, value: state.stage },
      { key: searchAttributes.state, value: state.phase },
      { key: searchAttributes.release, value: state.releaseId },
      ...(state.candidate ? [{ key: searchAttributes.candidate, value: state.candidate }] : []),
    ])
  }
  return now
}
