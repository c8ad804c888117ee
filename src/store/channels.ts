import { SluiceError } from '../errors'
import { type ChannelType, channels } from '../notify'
import type { CollectionSpec, Database } from './database'

/** Where notes go: one way of reaching every tenant, or one tenant. */
export interface ChannelSetting {
  /** Lower-case letters, digits and `-`. */
  readonly name: string
  readonly type: ChannelType
  /** Absent: for every tenant. */
  readonly tenant?: string
  /** False: no new notes are written for it. */
  readonly enabled: boolean
  readonly options: Readonly<Record<string, unknown>>
}

export interface ChannelPut extends Omit<ChannelSetting, 'enabled'> {
  readonly enabled?: boolean
}

/** The channels that a deployment has set up, beside the built-in `file`. */
export interface Channels {
  /**
   * Sets a channel up or changes it. Secrets that are not given are kept, or made and answered once in `made`.
   * Codes: invalid_request.
   */
  put(put: ChannelPut, by: string): Promise<{ channel: ChannelSetting; made: Readonly<Record<string, unknown>> }>
  /** With secrets, for sending. */
  find(name: string): Promise<ChannelSetting | undefined>
  /** By name, without secrets. */
  list(): Promise<ChannelSetting[]>
  /** Names of the enabled channels that reach this tenant, in order. */
  namesFor(tenant: string): Promise<string[]>
}

type ChannelDocument = ChannelSetting & { _id: string; changedBy: string; changedAt: number }

export const maxChannels = 1_000

/** Notes are written to files unless a setting of this name says otherwise. */
const builtIn: ChannelSetting = { name: 'file', type: 'file', enabled: true, options: {} }

export const channelCollections: readonly CollectionSpec[] = [{ name: 'channels', indexes: [{ key: { tenant: 1 } }] }]

export function createChannels(database: Database): Channels {
  const documents = database.collection<ChannelDocument>('channels')
  const hidden = { projection: { _id: 0, changedBy: 0, changedAt: 0 } } as const
  const find = async (name: string) => {
    const found = await documents.findOne<ChannelSetting>({ _id: name }, hidden)
    return found ?? (name === builtIn.name ? builtIn : undefined)
  }
  return {
    find,
    async put({ name, type, tenant, enabled = true, options }, by) {
      const before = await find(name)
      const kept = before?.type === type ? pick(before.options, channels[type].secrets) : {}
      const made = without(channels[type].defaults(), [...Object.keys(kept), ...Object.keys(options)])
      const whole = checked(type, { ...made, ...kept, ...options })
      const channel = { name, type, ...(tenant === undefined ? {} : { tenant }), enabled, options: whole }
      const changedAt = await database.now()
      await documents.replaceOne({ _id: name }, { ...channel, changedBy: by, changedAt }, { upsert: true })
      return { channel: shown(channel), made }
    },
    async list() {
      const found = await documents
        .find<ChannelSetting>({}, { ...hidden, sort: { _id: 1 }, limit: maxChannels })
        .toArray()
      const all = found.some(({ name }) => name === builtIn.name) ? found : [builtIn, ...found]
      return all.map(shown)
    },
    async namesFor(tenant) {
      const reaching = { tenant: { $in: [tenant, null] as unknown as string[] } }
      const found = await documents.find<ChannelSetting>(reaching, { ...hidden, limit: maxChannels }).toArray()
      const file = await find(builtIn.name)
      const others = found.filter(({ name }) => name !== builtIn.name)
      const all = file && (file.tenant === undefined || file.tenant === tenant) ? [file, ...others] : others
      return all
        .filter(({ enabled }) => enabled)
        .map(({ name }) => name)
        .sort()
    },
  }
}

function checked(type: ChannelType, options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const parsed = channels[type].options.safeParse(options)
  if (parsed.success) return options
  const fields = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
  const text = fields.map(({ path, message }) => `${path || 'options'}: ${message}`).join('; ')
  throw new SluiceError('invalid_request', `The options do not fit a ${type} channel: ${text}.`, { fields })
}

const shown = (channel: ChannelSetting): ChannelSetting => ({
  ...channel,
  options: without(channel.options, channels[channel.type].secrets),
})

type Options = Readonly<Record<string, unknown>>

const pick = (options: Options, names: readonly string[]): Options =>
  Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)))

const without = (options: Options, names: readonly string[]): Options =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)))
