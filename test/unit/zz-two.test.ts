import { MongoClient } from 'mongodb'
it.each([[{}], [{connectTimeoutMS: 2000}], [{ serverSelectionTimeoutMS: 2000 }]])('hello %j', async (o) => {
  const c = new MongoClient('mongodb://127.0.0.1:27117/?directConnection=true', o)
  expect((await c.db('admin').command({ hello: 1 })).setName).toBe('rs0')
  await c.close()
})
