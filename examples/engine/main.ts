/**
 * Starts the simulated engine as a process of its own:
 * `node dist/examples/engine/main.js [--port 8089] [--latency-scale 0.1] [--prompt-cache] [--faults '[{"kind":"rate_limit","share":0.1}]']`.
 * Prints its base URL, and stops on SIGINT or SIGTERM.
 */
import { parseArgs } from 'node:util'
import { readFaults } from './faults'
import { startSimulatedEngine } from './server'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8089' },
      'latency-scale': { type: 'string', default: '1' },
      'prompt-cache': { type: 'boolean', default: false },
      faults: { type: 'string', default: '[]' },
    },
  })
  const faults = readFaults(JSON.parse(values.faults))
  if (typeof faults === 'string') throw new Error(`--faults: ${faults}`)
  const engine = await startSimulatedEngine({
    port: Number(values.port),
    latencyScale: Number(values['latency-scale']),
    promptCache: values['prompt-cache'],
    faults,
  })
  console.log(`simulated engine listening on ${engine.url}`)
  const stop = () => engine.stop().then(() => process.exit(0))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

main().catch((error: Error) => {
  console.error(`simulated engine: ${error.message}`)
  process.exit(1)
})
