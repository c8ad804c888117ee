import { z } from 'zod'
export const scoreOf = z.number()
