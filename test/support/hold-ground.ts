import { readConfig } from '../../src/config'
import { startEmbedded } from '../../src/embedded/embedded'
import { untilToldToStop } from '../../src/embedded/signals'

/** `node dist/test/support/hold-ground.js <name>`: runs the servers of an instance until it is told to stop. */
async function hold(name: string): Promise<void> {
  const told = untilToldToStop()
  const ground = await startEmbedded({ name, config: readConfig() })
  const { mongodbUri, temporalAddress, temporalUiUrl } = ground
  const pids = [ground.mongo?.process.pid, ground.temporal?.process.pid]
  process.stdout.write(`${JSON.stringify({ mongodbUri, temporalAddress, temporalUiUrl, pids })}\n`)
  await told
  await ground.stop()
}

void hold(process.argv[2] ?? 'held').catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
