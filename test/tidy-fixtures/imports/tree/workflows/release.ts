import type { Activities } from '../activities'
import { sleep } from '@temporalio/workflow'
import { nothing } from './missing'
export const release = [sleep, nothing] as Activities
