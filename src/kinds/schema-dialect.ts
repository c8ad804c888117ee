import type { SchemaContent } from '../domain/contents'
import { SchemaFault } from './schema-inline'

export const draft07 = 'http://json-schema.org/draft-07/schema#'
export const draft2020 = 'https://json-schema.org/draft/2020-12/schema'

/** Which dialect a schema is written in; 2020-12 where it does not say. Throws `SchemaFault` for any other. */
export function dialectOf(schema: SchemaContent): typeof draft07 | typeof draft2020 {
  const { $schema } = schema
  if ($schema === undefined) return draft2020
  const dialect = typeof $schema === 'string' ? $schema.replace(/#$/, '') : $schema
  if (dialect === draft2020) return draft2020
  if (dialect === draft07.replace(/#$/, '')) return draft07
  throw new SchemaFault('is of a dialect other than draft-07 and 2020-12')
}
