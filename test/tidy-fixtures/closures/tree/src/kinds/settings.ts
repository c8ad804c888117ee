import { z } from 'zod'
export type Settings = z.ZodType
