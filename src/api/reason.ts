import { z } from 'zod'
import { maxReasonLength, wellFormed } from '../domain/text'

/** What somebody says for the record, as the record will keep it. */
export const reason = z
  .string()
  .trim()
  .min(1)
  .max(maxReasonLength)
  .overwrite((text) => wellFormed(text))
