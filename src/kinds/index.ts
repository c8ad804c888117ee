import { type KindName, kindNames } from '../domain/version'
import { SluiceError } from '../errors'
import { datasetKind } from './dataset'
import { embeddingKind } from './embedding'
import { engineKind } from './engine'
import { fieldKind } from './field'
import { filterKind } from './filter'
import type { Kind } from './kind'
import { mappingKind } from './mapping'
import { modelKind } from './model'
import { platformKind } from './platform'
import { policyKind } from './policy'
import { postprocessKind } from './postprocess'
import { promptKind } from './prompt'
import { indexKind } from './retrieval-index'
import { routerKind } from './router'
import { schemaKind } from './schema'
import { suiteKind } from './suite'
import { toolKind } from './tool'

/** The only list of artifact kinds. */
export const kinds = {
  prompt: promptKind,
  engine: engineKind,
  schema: schemaKind,
  mapping: mappingKind,
  field: fieldKind,
  filter: filterKind,
  tool: toolKind,
  postprocess: postprocessKind,
  embedding: embeddingKind,
  index: indexKind,
  router: routerKind,
  model: modelKind,
  dataset: datasetKind,
  suite: suiteKind,
  policy: policyKind,
  platform: platformKind,
} as const satisfies Record<KindName, Kind>

/** The kind of a name that is known to be one. */
export const kindOf = (name: KindName): Kind => kinds[name]

/** Throws `unknown_kind`. */
export function parseKindName(text: string): KindName {
  const name = kindNames.find((kind) => kind === text)
  if (name !== undefined) return name
  throw new SluiceError('unknown_kind', `${text} is no artifact kind.`, { kinds: kindNames })
}
