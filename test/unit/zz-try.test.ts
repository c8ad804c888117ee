import { readConfig } from '../../src/config'
import { startEmbedded } from '../../src/embedded/embedded'
it('starts', async () => {
  const { MONGODB_URI, TEMPORAL_ADDRESS, ...env } = process.env
  const config = readConfig({ ...env, SLUICE_FOLDER: '/tmp/gt/.sluice', SLUICE_CACHE: '/tmp/gt/cache' })
  const t0 = Date.now()
  const log = (l: string) => process.stderr.write(`${Date.now() - t0} ${l}\n`)
  const g = await startEmbedded({ name: 'x', config, progress: log })
  log(JSON.stringify({ ...g, mongo: g.mongo?.process.pid, temporal: g.temporal?.process.pid }))
  await g.mongo?.restart(); log('mongo restarted')
  await g.temporal?.restart(); log('temporal restarted')
  await g.stop(); log('stopped')
}, 600000)
