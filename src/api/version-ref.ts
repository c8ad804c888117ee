import type { Digest, KindName } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from '../store/catalog'

/** The digest of a version of this kind, by its digest or its label; the kind may be left out. Throws unknown_ref. */
export async function digestOfRef(catalog: Catalog, kind: KindName, text: string): Promise<Digest> {
  if (text.startsWith('sha256:')) return (await catalog.byDigest(kind, text as Digest)).digest
  const version = await catalog.version(text.includes('/') ? text : `${kind}/${text}`)
  if (version.kind === kind) return version.digest
  throw new SluiceError('invalid_request', `${text} is a ${version.kind}, and a ${kind} is wanted.`)
}
