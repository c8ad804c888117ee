import { d } from './d'
import type { a } from './a'
export const c: typeof a = d
