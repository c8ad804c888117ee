import { readConfig } from '../src/config'
import { provisionChromium } from '../src/embedded/chromium'
import { mongod } from '../src/embedded/mongod-binary'
import { onTerminal } from '../src/embedded/progress'
import { provision, reasonOf } from '../src/embedded/provision'
import { temporalCli } from '../src/embedded/temporal-binary'
import { provisionTestServer } from '../src/embedded/test-server'

/** Fetches every program the product and its tests use, ahead of their first run. */
async function provisionAll(): Promise<number> {
  const config = readConfig()
  const options = { cacheFolder: config.cacheFolder, progress: onTerminal }
  const wanted: Readonly<Record<string, Promise<string>>> = {
    MongoDB: config.mongodbUri === undefined ? pathOf(provision(mongod, options)) : Promise.resolve('external'),
    Temporal:
      config.temporalAddress === undefined ? pathOf(provision(temporalCli, options)) : Promise.resolve('external'),
    'Temporal test server': provisionTestServer(config, onTerminal),
    Chromium: provisionChromium(config, onTerminal),
  }
  await Promise.allSettled(Object.values(wanted))
  let failures = 0
  for (const [title, path] of Object.entries(wanted)) {
    try {
      console.log(`${title}: ${await path}`)
    } catch (error) {
      failures++
      console.error(reasonOf(error))
    }
  }
  return failures === 0 ? 0 : 1
}

async function pathOf(provisioned: Promise<{ readonly path: string }>): Promise<string> {
  return (await provisioned).path
}

void provisionAll().then((code) => {
  process.exitCode = code
})
