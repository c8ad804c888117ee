import { isDigest } from '../domain/ref'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Ledger } from '../store/ledger'

/**
 * The composite that a reference names: its id, `task@id`, or `task@environment` for what the lane settles on now.
 * Undefined where the text is no reference to a composite at all. Throws not_found for a lane without incumbent.
 */
export async function compositeOfRef(ledger: Ledger, text: string): Promise<Digest | undefined> {
  if (isDigest(text)) return text
  const [, task, place] = /^([a-z0-9][a-z0-9._-]*)@([^/@]+)$/.exec(text) ?? []
  if (task === undefined || place === undefined) return undefined
  if (isDigest(place)) return place
  const head = await ledger.head(place, task)
  if (head?.incumbent !== undefined) return head.incumbent
  throw new SluiceError('not_found', `Nothing serves ${task} in ${place}.`, { task, environment: place })
}

/** The same where nothing but a composite is wanted; throws malformed_ref for other texts. */
export async function namedComposite(ledger: Ledger, text: string): Promise<Digest> {
  const id = await compositeOfRef(ledger, text)
  if (id !== undefined) return id
  throw new SluiceError('malformed_ref', `${text} is no composite: write sha256:…, task@sha256:… or task@environment.`)
}
