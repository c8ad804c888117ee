import type { ProbeProviderName } from '../domain/probe'
import type { ProbeProvider } from './probe'
import { prometheus } from './prometheus'

/** Every provider of metrics that a policy can ask. A name without a row is a type error. */
export const probeProviders = { prometheus } as const satisfies Record<ProbeProviderName, ProbeProvider>
