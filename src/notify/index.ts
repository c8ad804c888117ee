import type { Channel } from './channel'
import { file } from './file'
import { webhook } from './webhook'

/** Every way of reaching a reader, by the type that channel settings name. */
export const channels = { file, webhook } as const satisfies Record<string, Channel>

export type ChannelType = keyof typeof channels
export const channelTypes = Object.keys(channels) as readonly ChannelType[]
