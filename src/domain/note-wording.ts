import { assertNever } from '../errors'
import type { Audience, Drift, Held, NoteInput } from './note-input'
import { plainText, type Span } from './note-markup'

/** Whether the tenant's new conversations get the change. */
export const receives = ({ kind }: Audience): boolean => kind === 'affected' || kind === 'pilot'

/** A sentence with names in it: every substitution becomes a code span. */
export function sentence(texts: TemplateStringsArray, ...names: readonly string[]): readonly Span[] {
  return texts.flatMap((text, at): readonly Span[] => {
    const name = names[at]
    return name === undefined ? [text] : [text, { code: name }]
  })
}

export function subjectOf({ kind, release, audience, held }: NoteInput): string {
  const task = plainText(release.task)
  if (held !== undefined) return `${task}: a change was rolled back that your own version still holds`
  const taken = kind === 'retraction'
  if (receives(audience)) return taken ? `${task}: the change was rolled back` : `${task} has changed`
  return `${task}: ${taken ? 'a change was taken back' : 'a change'} that does not affect you`
}

/** Where this tenant stands, in two or three sentences. */
export function standing(input: NoteInput): readonly Span[] {
  return input.kind === 'release' ? afterRelease(input) : afterRollback(input)
}

function afterRelease({ release: { task }, audience }: NoteInput): readonly Span[] {
  switch (audience.kind) {
    case 'affected':
      return sentence`A new version of ${task} serves your new conversations. Conversations that had begun before keep the version that they began on.`
    case 'pilot':
      return sentence`You piloted a new version of ${task}; it now serves everybody, and all your new conversations. Conversations that had begun before keep the version that they began on.`
    case 'opted_out':
      return sentence`There is a new version of ${task}. You opted out: your conversations stay on the version you kept.`
    case 'overridden':
      return [
        ...sentence`There is a new version of ${task}. You run your own version, so nothing changes for you.`,
        ...audience.drift.flatMap(driftSentence),
      ]
    default:
      return assertNever(audience)
  }
}

function afterRollback({ release: { task }, audience, held }: NoteInput): readonly Span[] {
  if (held !== undefined) {
    return [
      ...sentence`A change of ${task} was rolled back. You run your own version, and it still holds what was taken back.`,
      ...held.flatMap(heldSentence),
    ]
  }
  switch (audience.kind) {
    case 'affected':
      return sentence`The change of ${task} that we announced was rolled back. The version before it serves again, also for conversations that had begun on the change.`
    case 'pilot':
      return sentence`You piloted a change of ${task}; it was rolled back. The version before it serves again, also for conversations that had begun on the change.`
    case 'opted_out':
      return sentence`A change of ${task} was rolled back. You had opted out and never got it.`
    case 'overridden':
      return sentence`A change of ${task} was rolled back. You run your own version and never got it.`
    default:
      return assertNever(audience)
  }
}

const driftSentence = ({ role, own, base, now }: Drift): readonly Span[] =>
  base === now
    ? sentence` Your ${role} ${own} was made from ${base}, which still is the base.`
    : sentence` Your ${role} ${own} was made from ${base}; the base now is ${now}.`

const heldSentence = ({ role, own }: Held): readonly Span[] => sentence` Your ${role} still is ${own}.`

/** How to get what the tenant has not: the earlier version, or the change. */
export function otherWay({ release: { id, task }, audience, tenant }: NoteInput): readonly Span[] {
  switch (audience.kind) {
    case 'affected':
    case 'pilot':
      return sentence`Opt ${tenant.id} out of ${task}: your new conversations then stay on the version that serves at that moment. To go back to the version before this change, ask for a rollback of release ${id}.`
    case 'opted_out':
      return sentence`Reset the opt-out of ${tenant.id} for ${task}: your new conversations then get the change.`
    case 'overridden':
      return sentence`Rebase your override of ${task} on the new base, or reset it to the default: your new conversations then get the change.`
    default:
      return assertNever(audience)
  }
}

const recalibrate = 'Recalibrate thresholds, alerts and reports that use the measures above.'

/** What the tenant should do, in order; empty: nothing. */
export function actionsOf({ kind, audience, changeClass, shifts, held }: NoteInput): readonly string[] {
  if (held !== undefined) {
    return [
      'Rebase your override on the version that serves again, or reset it to the default: until then your conversations stay on what was taken back.',
      'Then undo what you recalibrated for the change: thresholds, alerts and reports.',
    ]
  }
  if (!receives(audience)) return []
  if (kind === 'retraction') {
    return ['Undo what you recalibrated for the change: thresholds, alerts and reports are as they were before it.']
  }
  switch (changeClass) {
    case 'breaking':
      return ['Revalidate every integration that reads the output: its keys or types have changed.', recalibrate]
    case 'shifting':
      return [recalibrate, 'Revalidate a sample of your own conversations.']
    case 'safe':
    case 'none':
      return shifts.some(outputMoved) ? [recalibrate] : []
    default:
      return assertNever(changeClass)
  }
}

/** Cost, tokens and latency are no output: nobody calibrates a threshold on them. */
const outputMoved = ({ unit, before, after }: NoteInput['shifts'][number]): boolean =>
  (unit === 'share' || unit === 'score') && before !== after
