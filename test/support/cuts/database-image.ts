import { BSON, type CommandStartedEvent, type Document } from 'mongodb'
import type { Database } from '../../../src/store/database'

const { EJSON } = BSON

/** Every document of every collection, as it is stored. */
export type DatabaseImage = ReadonlyMap<string, readonly Document[]>

export async function imageOf({ db }: Database): Promise<DatabaseImage> {
  const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name)
  return partOf(db, names.sort())
}

async function partOf(db: Database['db'], names: readonly string[]): Promise<DatabaseImage> {
  const read = names.map(async (name): Promise<[string, Document[]]> => {
    return [name, await db.collection(name).find().sort({ _id: 1 }).toArray()]
  })
  return new Map(await Promise.all(read))
}

/** Makes these collections what they were: all of them, unless they are named. */
export async function restore(database: Database, image: DatabaseImage, names?: readonly string[]): Promise<void> {
  const now = names === undefined ? await imageOf(database) : await partOf(database.db, names)
  for (const [name, documents] of now) {
    const before = image.get(name) ?? []
    if (EJSON.stringify(documents) === EJSON.stringify(before)) continue
    const collection = database.db.collection(name)
    await collection.deleteMany({})
    if (before.length > 0) await collection.insertMany([...before])
  }
}

/**
 * A database that is compared with, and brought back to, what it was, by reading again only the collections that were written
 * since. Every write must go through its connection, which must have been opened with `monitorCommands`.
 */
export class WatchedDatabase {
  /** What it was. */
  readonly start: Compared
  private readonly real: Database
  private readonly before: DatabaseImage
  private readonly apart: Apart
  private readonly written = new Set<string>()

  private constructor(real: Database, before: DatabaseImage, apart: Apart) {
    this.real = real
    this.before = before
    this.apart = apart
    this.start = comparedImage(before, apart)
    real.client.on('commandStarted', this.onCommand)
  }

  static async of(real: Database, apart: Apart = {}): Promise<WatchedDatabase> {
    return new WatchedDatabase(real, await imageOf(real), apart)
  }

  async now(): Promise<Compared> {
    const part = comparedImage(await partOf(this.real.db, [...this.written].sort()), this.apart)
    return { ...this.start, ...part }
  }

  async reset(): Promise<void> {
    const names = [...this.written]
    await restore(this.real, this.before, names)
    this.written.clear()
  }

  end(): void {
    this.real.client.off('commandStarted', this.onCommand)
  }

  private readonly onCommand = ({ commandName, command }: CommandStartedEvent): void => {
    if (commandName === 'bulkWrite') throw new Error('test/support/cuts does not follow a bulk write of a client yet')
    if (writing.has(commandName)) this.written.add(command[commandName] as string)
  }
}

/** Write commands that name their collection. */
const writing = new Set(['insert', 'update', 'delete', 'findAndModify'])

/** One text a document, by collection; two images of equal texts differ in nothing but when, and under which fresh ids. */
export type Compared = Readonly<Record<string, readonly string[]>>

/**
 * Without what is nobody's to see: claims of idempotency keys, locks, and marks that something was about to be used, which
 * only ever protect from retention.
 */
export function comparedImage(image: DatabaseImage, apart: Apart = {}): Compared {
  const shown = [...image].filter(([name]) => !['idempotency', 'artifacts'].includes(name))
  return Object.fromEntries(
    shown.map(([name, documents]) => [
      name,
      documents.map((document) => comparedDocument(without(document, name, apart))).sort(),
    ]),
  )
}

/** `collection.field` → why it may differ: a tally of deliveries, or what is drawn afresh. */
export type Apart = Readonly<Record<string, string>>

const without = (document: Document, name: string, apart: Apart): Document =>
  Object.fromEntries(Object.entries(document).filter(([field]) => apart[`${name}.${field}`] === undefined))

/** The names of the collections in which two images differ. */
export const differing = (one: Compared, other: Compared): readonly string[] =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .filter((name) => one[name] !== other[name])
    .filter((name) => JSON.stringify(one[name] ?? []) !== JSON.stringify(other[name] ?? []))
    .sort()

const comparedDocument = (document: Document): string => {
  const { usedAt: _usedAt, ...rest } = document
  return EJSON.stringify(neutral(rest))
}

const firstTime = 1_500_000_000_000
const lastTime = 4_000_000_000_000
/** Links of hash chains: they cover the times. */
const chained = /^(hash|prev|.*Hash)$/

/** A value without times, fresh ids and what is made of them. */
export function neutral(value: unknown, key = ''): unknown {
  if (typeof value === 'number') return value > firstTime && value < lastTime ? 'time' : value
  if (typeof value === 'string') return chained.test(key) && value !== '' ? 'link' : neutralText(value)
  if (value instanceof Date) return 'time'
  if (Array.isArray(value)) return value.map((item) => neutral(item))
  if (typeof value !== 'object' || value === null) return value
  const type = (value as { _bsontype?: string })._bsontype
  if (type !== undefined || Buffer.isBuffer(value)) return type ?? 'bytes'
  const entries = Object.entries(value).map(([name, item]) => [neutralText(name), neutral(item, name)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const ulid = /[0-9A-HJKMNP-TV-Z]{26}/g
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const isoTime = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g
const link = /"(hash|prev|[a-zA-Z]*Hash)":"sha256:[0-9a-f]{64}"/g
const milliseconds = /\b1[6-9]\d{11}\b/g

const neutralText = (text: string): string =>
  text
    .replace(link, '"$1":"link"')
    .replace(uuid, 'id')
    .replace(ulid, 'id')
    .replace(isoTime, 'time')
    .replace(milliseconds, 'time')
