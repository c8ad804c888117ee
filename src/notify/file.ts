import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { wellFormed } from '../domain/text'
import { type Delivery, defineChannel } from './channel'

const options = z.strictObject({
  /** A folder below the one for notes; absent: that one itself. */
  folder: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)
    .optional(),
})

/** Longest part of a file name in bytes; common file systems end at 255. */
const maxNameBytes = 180

/** Writes each note as `<folder>/<tenant>/<release>.<kind>.{md,html,json}`. The same message always gives the same files. */
export const file = defineChannel({
  name: 'file',
  options,
  secrets: [],
  defaults: () => ({}),
  async send(message, { folder }, context) {
    const place = join(context.folder, folder ?? '.', tenantFolder(message.tenant))
    const name = `${safeName(message.release)}.${message.kind}`
    const texts = { md: message.markdown, html: message.html, json: `${JSON.stringify(message.data, undefined, 2)}\n` }
    try {
      await mkdir(place, { recursive: true })
      for (const [ending, text] of Object.entries(texts)) await writeWhole(join(place, `${name}.${ending}`), text)
    } catch (error) {
      return failed(error)
    }
    return { result: 'delivered', receipt: `${tenantFolder(message.tenant)}/${name}` }
  },
})

/** Readers see the whole file or none: it is written beside its place and moved there. */
async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomUUID()}.part`
  try {
    const handle = await open(beside, 'wx')
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** Tenants that differ by case alone stay apart where the file system ignores case. */
function tenantFolder(tenant: string): string {
  const name = safeName(tenant)
  return /[A-Z]/.test(tenant) ? `${name}-${sha256(tenant).slice(0, 16)}` : name
}

/** An id as a file name: it cannot leave the folder. */
function safeName(id: string): string {
  const name = encodeURIComponent(wellFormed(id)).replace(/[.*~!'()]/g, hex)
  return name.length <= maxNameBytes ? name : `${name.slice(0, maxNameBytes - 65)}-${sha256(id)}`
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const hex = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`

function failed(error: unknown): Delivery {
  const { code = 'unknown', message } = error as NodeJS.ErrnoException
  return { result: 'retry', reason: `the file cannot be written (${code}): ${message}` }
}
