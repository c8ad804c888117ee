import type { DatasetContent } from '../domain/contents'
import { isDigest, parseRef } from '../domain/ref'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Catalog } from '../store/catalog'

/** The root that a text names: a root itself, the digest of a dataset version, or a reference to one. Throws unknown_ref, malformed_ref. */
export async function datasetRoot(catalog: Catalog, text: string): Promise<Digest> {
  if (!isDigest(text)) {
    const { name, version } = parseRef(text, 'dataset')
    return rootOf((await catalog.version(`dataset/${name}@${version}`)).content)
  }
  try {
    return (await catalog.rowSet(text)).root
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'unknown_ref') throw error
    return rootOf((await catalog.byDigest('dataset', text)).content)
  }
}

const rootOf = (content: unknown): Digest => (content as DatasetContent).root
