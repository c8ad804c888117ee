import { openDatabase } from '../../src/store/database'
import { ledgerCollections } from '../../src/store/ledger'
import { groundAddress, testStore } from '../support/ground'

describe('a database that another version of Sluice left', () => {
  let ground: Awaited<ReturnType<typeof testStore>>
  beforeAll(async () => {
    ground = await testStore()
  })
  afterAll(() => ground.drop())

  it('gets the collections, validators and indexes that it lacks, and what it has stays', async () => {
    const { db, prepare } = ground.store.database
    const [{ validator, indexes = [] } = {}] = ledgerCollections
    expect([validator, indexes.length]).toEqual([expect.any(Object), expect.any(Number)])
    await db.command({ collMod: 'allocations', validator: { environment: { $exists: true } } })
    await db.collection('allocations').dropIndexes()
    await db.collection('lanes').drop()
    const entry = { environment: 'production', task: 'a', releaseId: 'r' }
    await db.collection('allocations').insertOne(entry)
    await prepare(ledgerCollections)
    const [made] = await db.listCollections({ name: 'allocations' }).toArray()
    expect(made).toMatchObject({ options: { validator } })
    const keys = (await db.collection('allocations').indexes()).map(({ key }) => key)
    expect(keys).toEqual([{ _id: 1 }, ...indexes.map(({ key }) => key)])
    expect(await db.listCollections({ name: 'lanes' }).toArray()).toHaveLength(1)
    expect(await db.collection('allocations').findOne()).toEqual(entry)
  })

  it('is asked for nothing but its indexes where all stands', async () => {
    const address = groundAddress('MONGODB_URI')
    const monitored = `${address}${address.includes('?') ? '&' : '/?'}monitorCommands=true`
    const database = await openDatabase(monitored, ground.store.database.db.databaseName)
    const asked = new Set<string>()
    database.client.on('commandStarted', ({ commandName }) => asked.add(commandName))
    try {
      await database.prepare(ledgerCollections)
    } finally {
      await database.close()
    }
    expect([...asked].sort()).toEqual(expect.arrayContaining(['createIndexes', 'listCollections']))
    expect(asked.has('create') || asked.has('collMod')).toBe(false)
  })
})
