import type { Channel, Delivery, Message, SendContext } from './channel'
import { file } from './file'
import { webhook } from './webhook'

/** Every way of reaching a reader, by the type that channel settings name. */
export const channels = { file, webhook } as const satisfies Record<string, Channel<never>>

export type ChannelType = keyof typeof channels
export const channelTypes = Object.keys(channels) as readonly ChannelType[]

/** Sends through the channel of a type; options that do not fit it refuse the message. */
export async function sendThrough(
  type: ChannelType,
  options: unknown,
  message: Message,
  context: SendContext,
): Promise<Delivery> {
  const channel: Channel<never> = channels[type]
  const parsed = channel.options.safeParse(options)
  if (!parsed.success)
    return { result: 'refused', reason: `the options of the channel do not fit: ${parsed.error.message}` }
  return channel.send(message, parsed.data, context)
}
