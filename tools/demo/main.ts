/**
 * `npm run demo`: releases of real prompt changes on real transcripts, with live traffic, watched and taken back by
 * themselves; at the end every claim is checked against the database and what the applications served.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { onTerminal } from '../../src/embedded/progress'
import { untilToldToStop } from '../../src/embedded/signals'
import { SluiceError } from '../../src/errors'
import { randomFrom } from '../random'
import { checkClaims } from './claims'
import { Ends } from './ends'
import { gather } from './facts'
import { Application } from './fleet'
import { type DemoGround, engineKeys, startGround } from './ground'
import { Manager } from './manager'
import { Say } from './say'
import {
  deployFirst,
  goodRelease,
  heldEnvironments,
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
import { Traffic, type TrafficPlan } from './traffic'
import { readTranscripts } from './transcripts'
import { short } from './wording'

const applicationNames = ['app-1', 'app-2', 'app-3'] as const
const seed = 20_240_515
const trafficLineMs = 15_000

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
  const say = new Say()
  const ends = new Ends()
  const told = untilToldToStop().then((signal) => {
    throw new Stopped(signal)
  })
  told.catch(() => undefined)
  let holds: boolean | undefined
  let starting: Promise<unknown> = Promise.resolve()
  try {
    say.heading('Sluice demo: releases of real prompt changes on real transcripts')
    const begun = startGround(onTerminal, ends, () => holds === false)
    starting = begun
    const ground = await Promise.race([begun, told])
    const failures = [told, ground.product.failure]
    const played = await Promise.race([play(ground, say, ends), ...failures])
    holds = played.holds
    if (values.keep) await Promise.race([keep({ ground, say, ends, played }), ...failures])
    return holds ? 0 : 1
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    say.mute(`Stopping (${error.signal})`)
    return holds === undefined ? interruptedCode : holds ? 0 : 1
  } finally {
    say.end()
    await ends.all()
    // A Ctrl-C during the set-up: the step that was under way is ended too, if it comes to its end soon.
    await Promise.race([starting.catch(() => undefined), pause(setUpStepMs)])
    await ends.all()
  }
}

const setUpStepMs = 10_000

const interruptedCode = 130

class Stopped extends Error {
  readonly signal: string
  constructor(signal: string) {
    super(`stopped by ${signal}`)
    this.signal = signal
  }
}

interface Played {
  /** Every claim holds. */
  readonly holds: boolean
  readonly story: Story
}

/** The whole demo, checks included. */
async function play(ground: DemoGround, say: Say, ends: Ends): Promise<Played> {
  const manager = new Manager(ground, say)
  tellLinks(ground, say)
  say.heading('Timeline (minutes:seconds)')
  say.begin()
  const first = await deployFirst({ ground, manager, say })
  const applications = await startApplications(ground, ends, true)
  const traffic = new Traffic(trafficPlan(applications, 'call'))
  const stage: Stage = { ground, manager, traffic, say }
  traffic.start()
  say.event('traffic', `${applications.length} applications begin to score 200 transcripts of 40 tenants`)
  const line = setInterval(() => tellTraffic(say, traffic), trafficLineMs)
  ends.push(async () => {
    clearInterval(line)
    await traffic.abandon()
  })
  const failures = [traffic.failure, ...applications.map((application) => application.failure)]
  const story = await Promise.race([scenes(stage), ...failures])
  await Promise.race([traffic.stop(), ...failures])
  clearInterval(line)
  const ended = await Promise.all(applications.map((application) => application.stop()))
  say.event('traffic', `the applications have reported everything: ${traffic.requests} requests`)
  say.end()
  const facts = await gather({ ground, manager, story: { first, ...story }, applications, ends: ended })
  tellTimes(facts, manager, say)
  return { holds: await checkClaims(facts, say), story }
}

async function startApplications(ground: DemoGround, ends: Ends, logs: boolean): Promise<readonly Application[]> {
  const { product, store, engineUrl, folder } = ground
  const apiKey = await store.keys.create('demo applications', 'app')
  const applications = applicationNames.map((name) => {
    const log = logs ? { log: join(folder, 'applications', `${name}.ndjson`) } : {}
    const place = { apiUrl: product.apiUrl, apiKey, engineUrl, engineKey: engineKeys.applications }
    return new Application({ kind: 'begin', name, task, ...log, ...place })
  })
  ends.push(async () => void (await Promise.all(applications.map((application) => application.stop()))))
  await Promise.all(applications.map((application) => application.started()))
  return applications
}

const trafficPlan = (applications: readonly Application[], prefix: string): TrafficPlan => ({
  applications,
  tenants: tenantsOfTraffic(),
  cuts: readTranscripts().map((beginnings) => beginnings.length),
  random: randomFrom(seed),
  prefix,
})

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

interface Kept {
  readonly ground: DemoGround
  readonly say: Say
  readonly ends: Ends
  readonly played: Played
}

/** New applications go on with the traffic, so that a person can try releases on it. Ends only by a signal. */
async function keep({ ground, say, ends, played }: Kept): Promise<never> {
  const applications = await startApplications(ground, ends, false)
  const traffic = new Traffic(trafficPlan(applications, 'kept'))
  ends.push(() => traffic.abandon())
  traffic.start()
  say.heading('Everything is left running, with traffic (--keep). Ctrl-C stops it.')
  if (!ground.published) {
    say.line(`export SLUICE_URL=${ground.product.apiUrl} SLUICE_API_KEY=$(cat ${ground.product.adminKeyFile})`)
  }
  say.line('npx sluice active')
  say.line('To release once more what ann took back, lift its veto first:')
  const veto = short(played.story.signalled.candidate ?? '')
  for (const environment of heldEnvironments) {
    say.line(`npx sluice hold lift ${task} --env ${environment} --veto ${veto} --reason 'it is wanted again'`)
  }
  say.line('npx sluice release start examples/airline/releases/short-summaries.yaml --watch')
  return Promise.race([traffic.failure, ...applications.map((application) => application.failure)])
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
