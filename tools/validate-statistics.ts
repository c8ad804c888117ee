import { availableParallelism, cpus } from 'node:os'
import { runTrials } from './statistics/pool'
import {
  type Answer,
  delayReport,
  falseAlarmReport,
  forecastReport,
  type Report,
  releaseReport,
} from './statistics/tables'
import { harmfulReleases, harmlessReleases, hiddenHarm, traps, trials } from './statistics/trials'

/**
 * Measures every test of the guardrails by simulation with fixed seeds, and prints it beside the figures of reference: false
 * alarms, delays, the decision itself on releases, known wrong ways of counting, what others do. Fails where a figure is
 * worse than it has to be. Usage: validate-statistics [streams], 600 unless told; of harmful releases a fifth.
 */
const streams = Number(process.argv[2] ?? 600)
if (!(Number.isInteger(streams) && streams > 0)) throw new Error(`This is no number of streams: ${process.argv[2]}`)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const releaseTrials = [...harmlessReleases, ...traps, ...harmfulReleases, ...hiddenHarm].length
const harmlessFrom = harmlessReleases.length + traps.length

/** Harm is found nearly always, so a fifth of the runs tells it as well. */
function runsOf(trial: number): number {
  const harmful = trial >= harmlessFrom && trial < releaseTrials
  return harmful ? Math.ceil(streams / 5) : streams
}

function progress(done: number, all: number): void {
  if (!process.stderr.isTTY && done % Math.ceil(all / 20) !== 0) return
  process.stderr.write(
    `${process.stderr.isTTY ? '\r' : ''}${Math.floor((100 * done) / all)} %${process.stderr.isTTY ? '' : '\n'}`,
  )
}

async function main(): Promise<void> {
  const began = Date.now()
  const found = await runTrials(runsOf, progress)
  const answers = new Map(
    trials.map(({ id }, index): [string, Answer] => [id, { alarms: found[index] ?? {}, runs: runsOf(index) }]),
  )
  const answerOf = (id: string): Answer => {
    const answer = answers.get(id)
    if (answer === undefined) throw new Error(`Nothing was simulated that is called ${id}.`)
    return answer
  }
  const complaints: string[] = []
  const print = (title: string, report: Report): void => {
    say(`\n## ${title}\n`)
    for (const line of report.lines) say(line)
    complaints.push(...report.complaints)
  }
  print('Releases through the live decision, a look at every tick', releaseReport(answerOf))
  print('False alarms, alpha 5 %, a look after each of 10,000 units of B', falseAlarmReport(answerOf))
  print('Delays', delayReport(answerOf))
  print('Power forecast', forecastReport(answerOf))
  const minutes = ((Date.now() - began) / 60_000).toFixed(1)
  say(
    `\n${streams} streams each, ${minutes} minutes on ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`,
  )
  say(complaints.length === 0 ? '\nEvery figure is as good as it has to be.' : '\nNot as good as it has to be:')
  for (const complaint of complaints) say(`- ${complaint}`)
  if (complaints.length > 0) process.exitCode = 1
}

void main()
