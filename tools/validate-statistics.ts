import { wilsonInterval } from '../src/stats/binomial-interval'
import {
  classDetector,
  costDetector,
  type Detector,
  errorDetector,
  type Found,
  ratioDetector,
  runStreams,
} from './detectors'
import { busyRamp, holdback, type Outcome, runReleases, upAndDown, upInOutage } from './scenarios'
import { simulatedPolicy } from './simulated-release'
import { countings } from './simulated-traffic'

/**
 * Measures the guardrails by simulation, with fixed seeds: false alarms on harmless releases, the same traffic counted in
 * known wrong ways, what is found of injected harm, and each detector by itself. Usage: validate-statistics [releases].
 */
const releases = Number(process.argv[2] ?? 1000)
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`
const say = (line: string): void => void process.stdout.write(`${line}\n`)

function causes(outcome: Outcome): string {
  const counts = new Map<string, number>()
  for (const { action, by } of outcome.alarms) counts.set(`${action} ${by}`, (counts.get(`${action} ${by}`) ?? 0) + 1)
  return [...counts].map(([cause, count]) => `${cause} ${count}`).join(', ')
}

function row(name: string, outcome: Outcome): void {
  const { lower, upper } = outcome.interval
  say(`| ${name} | ${percent(outcome.rate)} | ${percent(lower)} – ${percent(upper)} | ${causes(outcome) || '–'} |`)
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
}

function falseAlarms(): void {
  say(`## False alarms of the live guardrails, ${releases} harmless releases each, a look at every tick`)
  say('| scenario | any alarm | 95 % interval | by |\n| --- | ---: | --- | --- |')
  row('up and down, outage; margin 0', runReleases(upAndDown, simulatedPolicy(0), releases).right)
  row('up while an outage lasts; margin 0', runReleases(upInOutage, simulatedPolicy(0), releases).right)
  row('95 % holdback; margin 0', runReleases(holdback, simulatedPolicy(0), releases).right)
  row('up and down, outage; margin 25 %', runReleases(upAndDown, simulatedPolicy(0.25), releases).right)
}

function wrongWays(): void {
  say(`\n## The same traffic counted in wrong ways, margin 0, error rate alone at the whole alpha`)
  say('| counted | any alarm | 95 % interval | by |\n| --- | ---: | --- | --- |')
  const errorsOnly = simulatedPolicy(0, ['error_rate'])
  for (const [name, scenario] of Object.entries({ 'up and down': upAndDown, 'up in outage': upInOutage })) {
    const outcomes = runReleases(scenario, errorsOnly, releases, countings)
    for (const counting of countings) row(`${name}: ${counting}`, outcomes[counting])
  }
}

function harm(): void {
  const runs = Math.ceil(releases / 5)
  say(`\n## Injected harm, margin 25 %, ${runs} releases each`)
  say('| harm | found | 95 % interval | by | median candidate conversations |\n| --- | ---: | --- | --- | ---: |')
  const cases = {
    'errors doubled, 250 conversations a tick': { ...busyRamp, harm: { errors: 2 } },
    'errors times five, 40 a tick': { ...upAndDown, harm: { errors: 5 } },
    'cost +50 %, 40 a tick': { ...upAndDown, harm: { cost: 1.5 } },
    'cost +50 %, 250 a tick': { ...busyRamp, harm: { cost: 1.5 } },
  }
  for (const [name, scenario] of Object.entries(cases)) {
    const outcome = runReleases(scenario, simulatedPolicy(0.25), runs).right
    const { lower, upper } = outcome.interval
    const candidates = median(outcome.alarms.map((alarm) => alarm.candidates))
    say(
      `| ${name} | ${percent(outcome.rate)} | ${percent(lower)} – ${percent(upper)} | ${causes(outcome)} | ${candidates} |`,
    )
  }
}

function detectors(): void {
  const streams = releases
  say(`\n## Detectors alone, alpha 5 %, ${streams} streams, a look after every treated unit`)
  say(
    '| detector | share | found in the looks | 95 % interval | median / p90 treated units |\n| --- | ---: | ---: | --- | ---: |',
  )
  const run = (name: string, share: number, looks: number, detectorOf: () => Detector): void => {
    const found: Found = runStreams({ share, streams, looks }, detectorOf)
    const { lower, upper } = wilsonInterval(found.alarms, found.streams)
    const rate = `${percent(found.alarms / found.streams)} of ${looks}`
    say(`| ${name} | ${share} | ${rate} | ${percent(lower)} – ${percent(upper)} | ${found.median} / ${found.p90} |`)
  }
  for (const share of [0.5, 0.1]) {
    run('errors 1 %, harmless', share, 10_000, () => errorDetector(share, 0.01, 1))
    run('errors 1 → 3 %', share, 10_000, () => errorDetector(share, 0.01, 3))
    run('errors 1 → 2 %', share, 10_000, () => errorDetector(share, 0.01, 2))
    run('errors 1 → 2 %, margin 25 %', share, 10_000, () => errorDetector(share, 0.01, 2, 0.25))
  }
  for (const share of [0.5, 0.1, 0.95]) {
    for (const scale of ['raw', 'log'] as const) {
      run(`cost, ${scale}, harmless`, share, 10_000, () => costDetector(share, 1, scale))
      run(`cost, ${scale}, +20 %`, share, 10_000, () => costDetector(share, 1.2, scale))
      run(`cost, ${scale}, +50 %`, share, 10_000, () => costDetector(share, 1.5, scale))
    }
  }
  for (const share of [0.5, 0.1]) {
    run('five classes, harmless', share, 3000, () => classDetector(share, 0))
    run('five classes, 5 points to the rarest', share, 3000, () => classDetector(share, 0.05))
  }
  run('sample ratio, intended 10 %', 0.1, 2000, () => ratioDetector(0.1))
  run('sample ratio, 12 % for 10 %', 0.12, 2000, () => ratioDetector(0.1))
  run('sample ratio, 15 % for 10 %', 0.15, 2000, () => ratioDetector(0.1))
}

falseAlarms()
wrongWays()
harm()
detectors()
