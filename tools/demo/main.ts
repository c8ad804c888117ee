/**
 * `npm run demo`: releases of real prompt changes on real transcripts, with live traffic, watched and taken back by
 * themselves; at the end every claim is checked against the database and what the applications served.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { onTerminal } from '../../src/embedded/progress'
import { untilToldToStop } from '../../src/embedded/signals'
import { SluiceError } from '../../src/errors'
import { randomFrom } from '../random'
import { checkClaims } from './claims'
import { gather } from './facts'
import { Application } from './fleet'
import { type DemoGround, engineKeys, startGround } from './ground'
import { Manager } from './manager'
import { Say } from './say'
import {
  deployFirst,
  goodRelease,
  type Stage,
  type Story,
  settleTenants,
  signalledRelease,
  spike,
  switchOffAndOn,
  task,
} from './scenes'
import { tellLinks, tellTimes } from './summary'
import { tenantsOfTraffic } from './tenants'
import { Traffic } from './traffic'
import { readTranscripts } from './transcripts'

const applicationNames = ['app-1', 'app-2', 'app-3'] as const
const seed = 20_240_515
const trafficLineMs = 15_000

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
  const say = new Say()
  const told = untilToldToStop().then((signal) => {
    throw new Stopped(signal)
  })
  told.catch(() => undefined)
  say.heading('Sluice demo: releases of real prompt changes on real transcripts')
  const ground = await startGround(onTerminal)
  let holds = false
  try {
    const playing = play(ground, say)
    playing.catch(() => undefined)
    holds = await Promise.race([playing, told, ground.product.failure])
    if (values.keep) await keep(ground, say, told)
    return holds ? 0 : 1
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    say.heading(`Stopping (${error.signal})`)
    return holds ? 0 : interruptedCode
  } finally {
    await endApplications()
    await ground.stop(!holds)
  }
}

const interruptedCode = 130

class Stopped extends Error {
  readonly signal: string
  constructor(signal: string) {
    super(`stopped by ${signal}`)
    this.signal = signal
  }
}

const running: Application[] = []

async function endApplications(): Promise<void> {
  await Promise.all(running.map((application) => application.stop()))
}

/** The whole demo; true where every claim holds. */
async function play(ground: DemoGround, say: Say): Promise<boolean> {
  const manager = new Manager(ground, say)
  tellLinks(ground, say)
  say.heading('Timeline (minutes:seconds)')
  say.begin()
  const first = await deployFirst({ manager, say })
  await startApplications(ground)
  const traffic = new Traffic({
    applications: running,
    tenants: tenantsOfTraffic(),
    cuts: readTranscripts().map((beginnings) => beginnings.length),
    random: randomFrom(seed),
  })
  const stage: Stage = { ground, manager, traffic, say }
  traffic.start()
  say.event('traffic', `${running.length} applications begin to score, 200 transcripts, 40 tenants`)
  const line = setInterval(() => tellTraffic(say, traffic), trafficLineMs)
  const failures = [traffic.failure, ...running.map((application) => application.failure)]
  try {
    const story = await Promise.race([scenes(stage), ...failures])
    await Promise.race([traffic.stop(), ...failures])
    clearInterval(line)
    const ends = await Promise.all(running.map((application) => application.stop()))
    say.event('traffic', `the applications have reported everything: ${traffic.requests} requests`)
    const facts = await gather({ ground, manager, story: { first, ...story }, applications: running, ends })
    tellTimes(facts, manager, say)
    return await checkClaims(facts, say)
  } finally {
    clearInterval(line)
  }
}

async function startApplications({ product, store, engineUrl, folder }: DemoGround): Promise<void> {
  const apiKey = await store.keys.create('demo applications', 'app')
  for (const name of applicationNames) {
    const log = join(folder, 'applications', `${name}.ndjson`)
    const place = { apiUrl: product.apiUrl, apiKey, engineUrl, engineKey: engineKeys.applications }
    running.push(new Application({ kind: 'begin', name, task, log, ...place }))
  }
  await Promise.all(running.map((application) => application.started()))
}

async function scenes(stage: Stage): Promise<Story> {
  const { say } = stage
  say.heading('A tenant opts out, another one gets a prompt of its own')
  await settleTenants(stage)
  say.heading('A good release: better on transferred calls')
  const good = await goodRelease(stage)
  say.heading('A cost spike: it passes its tests, and live traffic shows what they lack')
  const cost = await spike(stage, 'explain-while-open')
  say.heading('An error spike: likewise')
  const error = await spike(stage, 'open-points')
  say.heading('By signals alone: approved, paused and rolled back with the temporal CLI')
  const signalled = await signalledRelease(stage)
  say.heading('The task is disabled and enabled')
  await switchOffAndOn(stage)
  return { good, cost, error, signalled }
}

function tellTraffic(say: Say, { requests, begun }: Traffic): void {
  say.event('traffic', `${begun} conversations, ${requests} requests so far`)
}

async function keep(ground: DemoGround, say: Say, told: Promise<never>): Promise<void> {
  say.heading('Everything is left running (--keep). Ctrl-C stops it.')
  if (!ground.published) {
    say.line(`export SLUICE_URL=${ground.product.apiUrl} SLUICE_API_KEY=$(cat ${ground.product.adminKeyFile})`)
  }
  say.line('npx sluice active · npx sluice release ls · npx sluice tenant ls · npx sluice hold ls')
  await Promise.race([told, ground.product.failure])
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const text =
      error instanceof SluiceError ? `${error.code}: ${error.message}` : String((error as Error).stack ?? error)
    process.stderr.write(`\n${text}\n`)
    process.exit(1)
  },
)
