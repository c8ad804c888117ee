import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { z } from 'zod'
import type { ApiDeps, App } from '../app'
import { type Live, liveOf } from '../live'
import { SnapshotStreams } from '../snapshot-streams'

const compress = promisify(gzip)
const gzipFromBytes = 4_096
const maxCompressed = 16

const environment = z.string().max(63)
const wholeText =
  'The whole snapshot; its version is the ETag. `sluice-time` is the time of the store. `sluice-confirmed: 0`, also of a 304, says that ' +
  'the database did not confirm within the last seconds that there is nothing newer; without it, it did.'
const eventsText =
  'Server-sent events: `hello` with `version`, `resumed`, `confirmed` and `serverTime`, then each `delta`. A comment is sent every ten ' +
  'seconds while the database confirms that there is nothing newer; `confirmed: false` says that it did not when the stream began.'

/** What an SDK lives on: the whole snapshot with an ETag, and its changes as server-sent events. */
export function snapshotRoutes(app: App, deps: ApiDeps): void {
  const live = liveOf(app, deps)
  const compressed = new Map<string, Promise<Buffer>>()

  app.get(
    '/v1/snapshot',
    {
      config: { access: 'app' },
      schema: { description: wholeText, querystring: z.strictObject({ environment }) },
    },
    async (request, reply) => {
      await live.assertEnvironment(request.query.environment)
      const current = await live.hub.current(request.query.environment)
      await stampTime(live, reply)
      const { version } = current
      if (!live.hub.confirmed) reply.header('sluice-confirmed', '0')
      reply.header('etag', `"${version}"`).header('cache-control', 'no-cache').header('vary', 'accept-encoding')
      if (named(request.headers['if-none-match'], version)) return reply.status(304).send()
      const { text } = current
      reply.type('application/json; charset=utf-8')
      if (text.length < gzipFromBytes || !/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
        return reply.send(text)
      }
      const body = await compressOnce(compressed, version, text)
      return reply.header('content-encoding', 'gzip').send(body)
    },
  )

  const streams = new SnapshotStreams(live.hub, { revokedOf: (keys) => deps.store.keys.revokedOf(keys) })
  app.addHook('preClose', async () => streams.close())
  app.get(
    '/v1/snapshot/events',
    {
      config: { access: 'app' },
      schema: {
        description: eventsText,
        querystring: z.strictObject({ environment, from: z.string().max(80).optional() }),
      },
    },
    async (request, reply) => {
      await live.assertEnvironment(request.query.environment)
      const lastSeen = request.headers['last-event-id']
      const from = request.query.from ?? (typeof lastSeen === 'string' ? lastSeen : undefined)
      const now = await live.clock.now()
      const stream = await streams.open(request.principal.id, request.query.environment, from, now)
      reply.hijack()
      stream.pipe(request.raw, reply.raw)
    },
  )
}

/** Every answer to an SDK tells the store's time, so that a wrong clock of the application can be corrected. */
export async function stampTime(live: Live, reply: { header(name: string, value: string): unknown }): Promise<void> {
  reply.header('sluice-time', String(Math.round(await live.clock.now())))
}

const named = (header: string | undefined, version: string): boolean =>
  (header ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${version}"`)

function compressOnce(cache: Map<string, Promise<Buffer>>, version: string, text: string): Promise<Buffer> {
  const known = cache.get(version)
  if (known) return known
  if (cache.size >= maxCompressed) cache.clear()
  const body = compress(text)
  cache.set(version, body)
  return body
}
