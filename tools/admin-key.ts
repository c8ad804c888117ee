import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig, requireServers } from '../src/config'
import { ensureAdminKey } from '../src/embedded/admin-key'

/** `node dist/tools/admin-key.js`: makes `admin.key` in SLUICE_FOLDER once, and says where it is. */
async function main(): Promise<void> {
  const { mongodbUri, database, folder } = requireServers(readConfig())
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'admin.key')
  await ensureAdminKey(mongodbUri, database, file)
  console.log(`The admin key is in ${file}.`)
}

void main()
