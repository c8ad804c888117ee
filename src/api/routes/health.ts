import { z } from 'zod'
import type { ApiDeps, App } from '../app'

export function healthRoutes(app: App, deps: ApiDeps): void {
  const healthy = z.object({ status: z.literal('ok') })
  app.get('/healthz', { config: { access: 'public' }, schema: { response: { 200: healthy } } }, async () => ({
    status: 'ok' as const,
  }))
  app.get('/readyz', { config: { access: 'public' }, schema: { response: { 200: healthy } } }, async () => {
    await deps.store.database.now()
    return { status: 'ok' as const }
  })
}
