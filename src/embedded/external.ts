import { MongoClient } from 'mongodb'
import { SluiceError } from '../errors'
import { reasonOf } from './provision'
import { prepareTemporal } from './temporal-client'

const askMs = 5000

/** Checks the MongoDB that `MONGODB_URI` names: it answers, and it is a replica set or a sharded cluster. */
export async function checkMongo(uri: string): Promise<void> {
  const hello = await askMongo(uri)
  if (hello.setName !== undefined || hello.msg === 'isdbgrid') return
  throw new SluiceError(
    'invalid_config',
    'The MongoDB of MONGODB_URI is not a replica set, which transactions and change streams need. Start mongod with ' +
      '--replSet rs0 and run rs.initiate() once; a single node is enough.',
    { variable: 'MONGODB_URI' },
  )
}

async function askMongo(uri: string): Promise<{ setName?: string; msg?: string }> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: askMs })
  try {
    return await client.db('admin').command({ hello: 1 })
  } catch (error) {
    throw new SluiceError(
      'store_unavailable',
      `The MongoDB of MONGODB_URI does not answer: ${reasonOf(error)}. Start it, correct the URI, or unset the ` +
        'variable to have one started here.',
    )
  } finally {
    await client.close()
  }
}

/** Checks the Temporal that `TEMPORAL_ADDRESS` names and registers missing search attributes. */
export async function checkTemporal(address: string, namespace: string): Promise<void> {
  try {
    await prepareTemporal(address, namespace)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError(
      'temporal_unavailable',
      `The Temporal at ${address} (TEMPORAL_ADDRESS) does not answer: ${reasonOf(error)}. Start it, correct the ` +
        'address, or unset the variable to have one started here.',
    )
  }
}
