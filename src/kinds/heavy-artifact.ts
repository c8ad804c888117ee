import { z } from 'zod'
import type { HeavyArtifact } from '../domain/pipeline-contents'
import { digestSchema } from './kind'

const maxUriLength = 1000

/** Bytes kept outside the registry. A file of one machine is refused: elsewhere it would be another or none. */
export const heavyShape = {
  digest: digestSchema,
  uri: z
    .string()
    .max(maxUriLength)
    .regex(/^[a-z][a-z0-9+.-]*:\/\/\S+$/, 'is no URI such as s3://bucket/path')
    .refine((uri) => !uri.startsWith('file:'), 'is a file of one machine: keep the bytes where every machine has them'),
  bytes: z.int().min(0).exactOptional(),
}

export const heavySchema = z.strictObject(heavyShape) satisfies z.ZodType<HeavyArtifact>

/** How much of a digest people are shown. */
export const shortDigest = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)
