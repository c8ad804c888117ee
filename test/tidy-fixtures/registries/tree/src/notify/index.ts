import type { Channel } from './channel'
import { file } from './file'
export const channels = { file } as const satisfies Record<string, Channel>
