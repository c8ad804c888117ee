import { renderNote } from '../../src/domain/notes'
import type { Message } from '../../src/notify/channel'
import type { MessageDraft } from '../../src/store/outbox'

type About = Pick<MessageDraft, 'release' | 'kind' | 'tenant' | 'channel'>

const standard: About = { release: 'r1', kind: 'release', tenant: 'acme', channel: 'file' }

/** A note ready for the outbox; what is not given stands as for tenant acme through the channel `file`. */
export function messageDraft(about: Partial<About> = {}): MessageDraft {
  const { release, kind, tenant, channel } = { ...standard, ...about }
  const note = renderNote({
    kind,
    release: { id: release, task: 'csat-scoring', why: 'CSAT was too generous' },
    change: [],
    changeClass: 'safe',
    shifts: [],
    audience: { kind: 'affected' },
    tenant: { id: tenant },
    rollbackReason: 'errors doubled',
  })
  return { ...note, release, kind, tenant, channel }
}

/** A message as a channel gets it. */
export function message(about: Partial<About> = {}): Message {
  const { channel, ...draft } = messageDraft(about)
  return { ...draft, id: `${draft.release}/${draft.kind}/${draft.tenant}/${channel}`, enqueuedAt: 1_767_225_600_000 }
}
