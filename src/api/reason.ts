import { z } from 'zod'
import { wellFormed } from '../domain/text'

/** What somebody says for the record, as the record will keep it. */
export const reason = z
  .string()
  .trim()
  .min(1)
  .max(2_000)
  .overwrite((text) => wellFormed(text))
