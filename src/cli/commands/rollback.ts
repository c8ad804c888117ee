import type { Command } from 'commander'
import type { Allocation } from '../../domain/allocation'
import type { LaneState } from '../../domain/lane'
import { SluiceError } from '../../errors'
import { digestStartArgument, withEnvironment, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { lanePath, readLane } from '../lanes'
import { shortDigest } from '../wording'

interface Options {
  readonly env: string
  readonly to?: string
  readonly reason: string
}

interface RolledBack {
  readonly seq: number
  readonly incumbent?: string
  /** The running release that was told to go back. */
  readonly release?: string
}

/** `sluice rollback <task>`: back to what settled before, with or without a running release. */
export function rollbackCommand(program: Command, cli: Cli): void {
  const command = program
    .command('rollback')
    .description('take a task back: the running release, else to the previous or a named settled composite')
    .argument('<task>', 'its name')
    .option('--to <digest>', 'a composite that was settled here; six hex digits of it are enough', digestStartArgument)
    .action((task: string, options: Options) => rollback(cli, task, options))
  withReason(withEnvironment(command))
  withExample(
    command,
    'rollback csat-scoring --env production --reason "scores drift since Monday"',
    'rollback csat-scoring --env production --to 4f0c9a2b1c3d --reason "the last good one"',
  )
}

async function rollback(cli: Cli, task: string, { env, to, reason }: Options): Promise<void> {
  const before = await readLane(cli, env, task)
  if (before.headSeq === 0)
    throw new SluiceError('not_found', `Nothing was ever deployed in ${env}/${task}; \`sluice active\` lists lanes.`)
  const target = to === undefined ? undefined : await settledDigest(cli, before, to)
  const body = { reason, base: before.baseSeq, ...(target === undefined ? {} : { to: target }) }
  const answer = await cli.api.post<RolledBack>(`${lanePath(env, task)}/rollback`, body)
  const after = await untilWithdrawn(cli, before, answer)
  cli.print.data({ ...answer, seq: after.headSeq, ...(after.incumbent ? { incumbent: after.incumbent } : {}) })
  const serves = after.disabled ? 'is disabled' : `serves ${shortDigest(after.incumbent ?? 'nothing')}`
  const release = answer.release === undefined ? '' : `; release ${answer.release} goes back`
  cli.print.line(`${env}/${task} ${serves} (entry ${after.headSeq})${release}`)
  if (after.hold) cli.print.line(`The lane is held: sluice hold lift ${task} --env ${env} when the cause is known.`)
}

const maxEntries = 1_000

/** The whole digest of what settled here and begins so. */
async function settledDigest(cli: Cli, lane: LaneState, start: string): Promise<string> {
  const path = `${lanePath(lane.environment, lane.task)}/allocations`
  const { items } = await cli.api.get<{ items: readonly Allocation[] }>(path, { limit: maxEntries })
  const settled = items.flatMap(({ cause, incumbent }) => (cause === 'settle' && incumbent ? [incumbent] : []))
  const found = [...new Set([...lane.settled, ...settled])].filter((digest) => digest.startsWith(start))
  const [only] = found
  if (found.length === 1 && only !== undefined) return only
  const place = `${lane.environment}/${lane.task}`
  if (found.length > 1)
    throw new SluiceError('not_settled', `${start} begins ${found.length} composites of ${place}.`, { found })
  throw new SluiceError('not_settled', `Nothing that begins with ${start} ever settled in ${place}.`, { settled })
}

const withdrawWaitMs = 10_000
const withdrawPollMs = 200

/** A running release is told and goes back in a moment; the moment is waited for. */
async function untilWithdrawn(cli: Cli, before: LaneState, { release }: RolledBack): Promise<LaneState> {
  const until = Date.now() + withdrawWaitMs
  let lane = await readLane(cli, before.environment, before.task)
  while (release !== undefined && lane.candidate !== undefined && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, withdrawPollMs))
    lane = await readLane(cli, before.environment, before.task)
  }
  return lane
}
