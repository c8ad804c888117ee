import type { Command } from 'commander'
import type { LaneState } from '../../domain/lane'
import { SluiceError } from '../../errors'
import { digestStartArgument, withEnvironment, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { agoText, cutText, shortDigest } from '../wording'

type HeldLane = Pick<LaneState, 'environment' | 'task' | 'hold' | 'vetoes'>

interface LiftOptions {
  readonly env: string
  readonly veto?: string
  readonly reason: string
}

/** `sluice hold ls|lift`: what stops releases after a rollback until a person has looked. */
export function holdCommand(program: Command, cli: Cli): void {
  const hold = program.command('hold').description('lanes that refuse every start, and composites that are vetoed')
  const list = hold
    .command('ls')
    .description('list holds and vetoes')
    .action(() => listHolds(cli))
  withExample(list, 'hold ls')
  const lift = hold
    .command('lift')
    .description('lift the hold of a lane, or with --veto one veto')
    .argument('<task>', 'its name')
    .option(
      '--veto <digest>',
      'the composite that may be released again; six hex digits are enough',
      digestStartArgument,
    )
    .action((task: string, options: LiftOptions) => liftHold(cli, task, options))
  withReason(withEnvironment(lift))
  withExample(
    lift,
    'hold lift csat-scoring --env production --reason "the provider is mended"',
    'hold lift csat-scoring --env production --veto 4f0c9a2b1c3d --reason "it was the traffic"',
  )
}

const laneOf = ({ environment, task }: HeldLane): string => `${environment}/${task}`
const byLane = (left: HeldLane, right: HeldLane): number => (laneOf(left) < laneOf(right) ? -1 : 1)

const readHolds = async ({ api }: Cli): Promise<readonly HeldLane[]> =>
  (await api.get<{ items: readonly HeldLane[] }>('/v1/holds')).items.toSorted(byLane)

const reasonWidth = 80

async function listHolds(cli: Cli): Promise<void> {
  const items = await readHolds(cli)
  cli.print.data({ items })
  if (items.length === 0) return cli.print.line('Nothing is held and nothing is vetoed.')
  cli.print.table(
    ['lane', 'what', 'by', 'since', 'why'],
    items.flatMap((held) => {
      const { hold, vetoes } = held
      const rows = vetoes.map((veto) => ({ what: `veto of ${shortDigest(veto.composite)}`, ...veto }))
      return [...(hold ? [{ what: 'hold', ...hold }] : []), ...rows].map(({ what, by, at, reason }) => [
        laneOf(held),
        what,
        by,
        agoText(at),
        cutText(reason, reasonWidth),
      ])
    }),
  )
}

async function liftHold(cli: Cli, task: string, { env, veto, reason }: LiftOptions): Promise<void> {
  const composite = veto === undefined ? undefined : await vetoedDigest(cli, { environment: env, task }, veto)
  const query = new URLSearchParams({
    environment: env,
    task,
    reason,
    ...(composite === undefined ? {} : { veto: composite }),
  })
  const lane = await cli.api.delete<LaneState>(`/v1/holds?${query}`)
  cli.print.data(lane)
  cli.print.line(
    composite === undefined
      ? `The hold of ${env}/${task} is lifted.`
      : `${shortDigest(composite)} may be released again in ${env}/${task}.`,
  )
  const left = lane.vetoes.map((one) => shortDigest(one.composite))
  if (lane.hold) cli.print.line('The lane is still held.')
  if (left.length > 0) cli.print.line(`Still vetoed: ${left.join(', ')}`)
}

async function vetoedDigest(cli: Cli, place: { environment: string; task: string }, start: string): Promise<string> {
  const lanes = await readHolds(cli)
  const lane = lanes.find(({ environment, task }) => environment === place.environment && task === place.task)
  const found = (lane?.vetoes ?? []).map(({ composite }) => composite).filter((digest) => digest.startsWith(start))
  const [only] = found
  if (found.length === 1 && only !== undefined) return only
  const text = found.length > 1 ? `${start} begins ${found.length} vetoes` : `No veto begins with ${start}`
  throw new SluiceError('not_found', `${text} in ${place.environment}/${place.task}; \`sluice hold ls\` lists them.`)
}
