import { z } from 'zod'
import { diffJson } from '../domain/diff'
import { type PlatformContent, type PlatformHook, platformChanges } from '../domain/pipeline-contents'
import { heavySchema } from './heavy-artifact'
import { type Kind, nameSchema } from './kind'

const maxHookMs = 6 * 3_600_000
const maxArguments = 100
const maxArgumentLength = 4000
const maxBodyBytes = 100_000

const timeoutMs = z.int().min(1).max(maxHookMs).default(600_000)

const hookSchema = z.union([
  z.strictObject({
    command: z.array(z.string().min(1).max(maxArgumentLength)).min(1).max(maxArguments),
    timeoutMs,
  }),
  z.strictObject({
    http: z.strictObject({
      endpoint: nameSchema,
      method: z.enum(['GET', 'POST', 'PUT', 'DELETE']),
      path: z
        .string()
        .max(2000)
        .regex(/^\/\S*$/, 'is no path: it begins with a slash'),
      body: z
        .unknown()
        .refine((body) => (JSON.stringify(body) ?? '').length <= maxBodyBytes, `is larger than ${maxBodyBytes} bytes`)
        .exactOptional(),
    }),
    timeoutMs,
  }),
]) satisfies z.ZodType<PlatformHook>

const platformSchema = z.strictObject({
  change: z.enum(platformChanges),
  artifact: heavySchema.exactOptional(),
  deploy: hookSchema,
  verify: hookSchema,
  revert: hookSchema,
}) satisfies z.ZodType<PlatformContent>

/** A change of the platform's software: how it goes out, how one sees that it did, and how it comes back. */
export const platformKind: Kind<PlatformContent> = {
  name: 'platform',
  folder: 'platform',
  changeType: 'platform',
  schema: platformSchema,
  references: () => [],
  interfaceOf: ({ change }) => ({ change }),
  diff: (before, after) => diffJson(before, after, ({ path }) => (path === '/change' ? 'breaking' : 'safe')),
  summarize: ({ change, deploy, revert }) =>
    `${change.replaceAll('_', ' ')}: ${hookText(deploy)}; back by ${hookText(revert)}`.slice(0, maxSummary),
}

const maxSummary = 300

function hookText(hook: PlatformHook): string {
  if ('http' in hook) return `${hook.http.method} ${hook.http.path} at ${hook.http.endpoint}`
  return hook.command.join(' ').replaceAll('\n', ' ')
}
