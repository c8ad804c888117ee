import type { Activities } from '../activities'
import { type Plan, planRelease } from '../activities/plan'
export type { Activities, Plan }
export const release = planRelease
