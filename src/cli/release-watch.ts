import { type ClosedPhase, isClosed } from '../domain/release'
import { SluiceError } from '../errors'
import type { ReleaseRecord } from '../store/releases'
import { type Cli, CommandEnded } from './cli'
import { type ReleaseSight, seeRelease } from './release-sight'
import { type Happening, Timeline } from './release-timeline'
import { clockText, durationText, plainText } from './wording'

const pollMs = 1_000
/** The longest release anybody follows on one terminal: thirty days. */
const maxPolls = 30 * 86_400
/** A server that restarts is waited for. */
const maxSilentPolls = 120

/** Tells a release as it goes, a line a change, until it closes. Ends with 3 unless it is done. */
export async function watchRelease(cli: Cli, id: string): Promise<void> {
  const timeline = new Timeline()
  let silent = 0
  for (let poll = 0; poll < maxPolls; poll += 1) {
    const sight = await trySight(cli, id, timeline, silent)
    silent = sight === undefined ? silent + 1 : 0
    if (sight !== undefined) {
      if (poll === 0) head(cli, sight)
      for (const happening of timeline.add(sight, Date.now())) tell(cli, happening)
      if (isClosed(sight.record.phase)) return end(cli, sight.record, sight.record.phase)
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** Undefined where nobody answers for a moment; the first look must succeed. */
async function trySight(cli: Cli, id: string, timeline: Timeline, silent: number): Promise<ReleaseSight | undefined> {
  try {
    return await seeRelease(cli.api, id, timeline.lastDecision)
  } catch (error) {
    const passes = error instanceof SluiceError && error.retryable && timeline.lastDecision > 0
    if (!passes || silent >= maxSilentPolls) throw error
    if (silent === 0) cli.print.progress(`${error.message} The release goes on; trying again.`)
    return undefined
  }
}

function head({ print }: Cli, { record }: ReleaseSight): void {
  print.line(`release ${record.id} of ${record.task}, by ${record.author}: ${record.request.why}`)
}

const stageWidth = 'communicate'.length

function tell({ print }: Cli, happening: Happening): void {
  print.data(happening)
  print.line(`${clockText(happening.at)}  ${happening.stage.padEnd(stageWidth)}  ${happening.text}`)
}

function end({ print }: Cli, record: ReleaseRecord, phase: ClosedPhase): void {
  const took = durationText((record.endedAt ?? record.createdAt) - record.createdAt)
  print.data({ record })
  print.line(`${plainText(phase)} after ${took}`)
  if (phase === 'done') return
  if (phase === 'done_with_failed_deliveries') {
    print.line(`Some notes could not be delivered: sluice notes ${record.id}`)
    return
  }
  print.line(`What was decided on: sluice release show ${record.id}`)
  if (phase === 'rolled_back') print.line('What is held since: sluice hold ls')
  throw new CommandEnded('refused')
}
