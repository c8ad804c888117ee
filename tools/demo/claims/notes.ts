import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Audience } from '../../../src/domain/note-input'
import type { OutboxMessage } from '../../../src/store/outbox'
import type { Facts, ReleaseFacts } from '../facts'
import { tenants } from '../scenes'
import { readTenants } from '../tenants'
import type { Claim } from './claim'

const page = 1_000
const endings = ['md', 'html', 'json'] as const

export const notes: Claim = {
  text: 'Every tenant was told of the good release as it concerns it, and nobody of what was taken back before it was told',
  async check(facts) {
    const { good, cost, error, signalled } = facts.story
    const told = await messagesOf(facts, good)
    const faults = readTenants().flatMap(({ id, ring }) => tenantFaults(told, id, audienceOf(id, ring)))
    for (const { id, receipt = '' } of told) {
      const missing = endings.filter((ending) => !existsSync(join(facts.manager.notesFolder, `${receipt}.${ending}`)))
      if (receipt === '' || missing.length > 0) faults.push(`the files of ${id} are not there`)
    }
    for (const release of [cost, error, signalled]) faults.push(...(await retractionFaults(facts, release)))
    const counts = (['affected', 'pilot', 'overridden', 'opted_out'] as const).map(
      (kind) => `${told.filter((message) => message.data.audience.kind === kind).length} ${kind.replace('_', ' ')}`,
    )
    return { figures: `${told.length} notes delivered (${counts.join(', ')})`, faults }
  },
}

function audienceOf(id: string, ring: string): Audience['kind'] {
  if (id === tenants.optedOut) return 'opted_out'
  if (id === tenants.overridden) return 'overridden'
  return ring === 'pilot' ? 'pilot' : 'affected'
}

function tenantFaults(told: readonly OutboxMessage[], tenant: string, kind: Audience['kind']): string[] {
  const own = told.filter((message) => message.tenant === tenant)
  const [only] = own
  if (only === undefined || own.length > 1) return [`${tenant} has ${own.length} notes`]
  const { audience } = only.data
  if (audience.kind !== kind) return [`${tenant} was told as ${audience.kind} instead of ${kind}`]
  return only.state === 'delivered' ? [] : [`the note to ${tenant} is ${only.state}`]
}

/** Who was told must be told again; who was not hears nothing. */
async function retractionFaults(facts: Facts, release: ReleaseFacts): Promise<string[]> {
  const messages = await messagesOf(facts, release)
  const delivered = messages.filter(({ state }) => state === 'delivered')
  const of = (kind: string): string[] =>
    delivered
      .filter((one) => one.kind === kind)
      .map(({ tenant }) => tenant)
      .sort()
  const [told, retracted] = [of('release'), of('retraction')]
  return JSON.stringify(told) === JSON.stringify(retracted)
    ? []
    : [`of ${release.record.id} ${told.length} tenants were told and ${retracted.length} told again`]
}

const messagesOf = ({ ground }: Facts, { record }: ReleaseFacts): Promise<readonly OutboxMessage[]> =>
  ground.store.outbox.list({ release: record.id, limit: page })
