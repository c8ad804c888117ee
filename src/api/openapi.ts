import swagger from '@fastify/swagger'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { kinds } from '../kinds'
import type { App } from './app'

/** Collects every route registered after it into an OpenAPI 3.1 document. */
export function installOpenApi(app: App): void {
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sluice',
        version: '1',
        description: 'Releases AI changes a little at a time. Errors are problem+json with a stable `code`.',
      },
      security: [{ key: [] }],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  })
}

/** `GET /openapi.json`; to be registered with the other routes. */
export function openApiRoute(app: App): void {
  app.get('/openapi.json', { config: { access: 'app' }, schema: { hide: true } as object }, async (_, reply) =>
    reply.type('application/json').send(JSON.stringify(withContents(app.swagger()))),
  )
}

interface Described {
  readonly paths?: object
  readonly components?: { readonly schemas?: object }
}

let described: Readonly<Record<string, object>> | undefined
const contents = () => {
  described ??= contentSchemas()
  return described
}

/** Only when somebody asks: to describe the contents of all kinds takes a fifth of a server's start. */
const withContents = ({ components, ...rest }: Described): object => ({
  ...rest,
  components: { ...components, schemas: { ...contents(), ...components?.schemas } },
})

/** What `content` of `POST /v1/artifacts` takes, by kind. */
function contentSchemas(): Record<string, object> {
  const named = Object.values(kinds).map(({ name, schema }): [string, object] => {
    const { $schema, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
    return [`${name}Content`, json]
  })
  return Object.fromEntries(named)
}
