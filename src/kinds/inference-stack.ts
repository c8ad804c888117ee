import { z } from 'zod'
import { keySchema } from './kind'

const maxStackEntries = 50

/** Names no one version: another run would have another one. */
const isFloating = (value: string): boolean =>
  /^(latest|stable|current|main|master|nightly|\*|x)$|^[~^<>]|\|\|/i.test(value.trim())

/** Name → exact version of all that moves outputs: libraries, driver, hardware class, quantization. */
export const inferenceStackSchema = z
  .record(
    keySchema,
    z
      .string()
      .min(1)
      .max(500)
      .refine((value) => !isFloating(value), 'names no one version: pin it, such as 0.6.3'),
  )
  .refine((stack) => Object.keys(stack).length <= maxStackEntries, `has more than ${maxStackEntries} entries`)
