import { z } from 'zod'
import { digestSchema } from '../kinds/kind'

export const pairSchema = z.object({
  model: z.string().optional(),
  fingerprint: z.string().optional(),
  candidate: z.string().optional(),
})

/** A provider that returned something else under an unchanged composite. Times are milliseconds since the epoch. */
export const providerChangeSchema = z.object({
  id: digestSchema,
  composite: digestSchema,
  judge: z.literal(true).optional(),
  from: z.array(pairSchema).readonly(),
  to: pairSchema,
  basis: z.enum(['evaluation', 'reproduction', 'traffic', 'person']),
  by: z.string(),
  reason: z.string(),
  firstSeenAt: z.number(),
  at: z.number(),
  epoch: z.number(),
})

export const suspectedChangeSchema = z.object({
  id: digestSchema,
  composite: digestSchema,
  to: pairSchema,
  firstSeenAt: z.number(),
  principals: z.number(),
  conversations: z.number(),
})
