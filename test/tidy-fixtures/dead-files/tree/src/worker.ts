import { alive } from './domain/alive'
import type { Shape } from './domain/shape'
export const worker: Shape = alive
