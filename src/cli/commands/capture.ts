import { type Command, InvalidArgumentError } from 'commander'
import type { CaptureAuditEntry } from '../../store/capture-documents'
import type { CaptureStatus, Erasure, ReadContent } from '../../store/captures'
import { textArgument, withEnvironment, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { everyItem } from '../pages'
import { agoText, countText, cutText, dateText, durationText, percentText } from '../wording'

interface SetOptions {
  readonly env: string
  readonly share: number
  readonly days: number
  readonly reason: string
}

const defaultDays = 30

/** `sluice capture ls|set|off|show|audit`: keeping inputs and outputs, which nobody does unless somebody asked. */
export function captureCommand(program: Command, cli: Cli): void {
  const capture = program
    .command('capture')
    .description('inputs and outputs that are kept, encrypted, where that is asked for')
  const list = capture
    .command('ls')
    .description('list what is captured, how much of it is held, and what was lost')
    .action(() => listPolicies(cli))
  withExample(list, 'capture ls')
  const set = capture
    .command('set')
    .description('capture a share of the conversations of a task from now on')
    .argument('<task>', 'its name', textArgument)
    .requiredOption('--share <percent>', 'share of the conversations, in percent', percentArgument)
    .option('--days <days>', 'how long a content is kept', daysArgument, defaultDays)
    .action((task: string, options: SetOptions) => setPolicy(cli, task, options))
  withReason(withEnvironment(set))
  withExample(set, 'capture set csat-scoring --env production --share 5 --days 14 --reason "to look into low scores"')
  const off = capture
    .command('off')
    .description('capture nothing more of a task; what is held goes when its time is over')
    .argument('<task>', 'its name', textArgument)
    .action((task: string, options: Omit<SetOptions, 'share' | 'days'>) =>
      setPolicy(cli, task, { ...options, share: 0, days: defaultDays }),
    )
  withReason(withEnvironment(off))
  withExample(off, 'capture off csat-scoring --env production --reason "found it"')
  const show = capture
    .command('show')
    .description('read what a request was given and gave; that it was read, and by whom, is recorded')
    .argument('<requestId>', 'the id the application reported', textArgument)
    .action((id: string, options: { reason: string }) => showContent(cli, id, options.reason))
  withReason(show)
  withExample(show, 'capture show 5d0f3c1e-20fb-4c2a-9c57-0c4a6f6f3a10 --reason "complaint 4711"')
  const audit = capture
    .command('audit')
    .description('who changed, read, reproduced and erased what')
    .action(() => showAudit(cli))
  withExample(audit, 'capture audit --json')
}

/** `sluice erase`: a conversation's inputs and outputs, for good. */
export function eraseCommand(program: Command, cli: Cli): void {
  const command = program
    .command('erase')
    .description("throw away the key of a conversation's captured inputs and outputs: nobody can read them again")
    .requiredOption('--tenant <tenant>', 'whose conversation it is', textArgument)
    .requiredOption('--conversation <conversation>', 'its id', textArgument)
    .option('--reason <text>', 'why, for the record', textArgument, 'erasure was asked for')
    .action((options: { tenant: string; conversation: string; reason: string }) => erase(cli, options))
  withExample(command, 'erase --tenant acme --conversation c-1 --reason "request of 3 March"')
}

/** Percent as people write it, basis points as the API takes it. */
function percentArgument(text: string): number {
  const basisPoints = Math.round(Number(text) * 100)
  if (text.trim() !== '' && basisPoints >= 1 && basisPoints <= 10_000) return basisPoints
  throw new InvalidArgumentError('Write a share from 0.01 to 100.')
}

function daysArgument(text: string): number {
  const days = Number(text)
  if (text.trim() !== '' && days > 0 && days <= maxDays) return days
  throw new InvalidArgumentError(`Write a number of days up to ${maxDays}.`)
}

const maxDays = 180

async function listPolicies(cli: Cli): Promise<void> {
  type Listed = { items: readonly CaptureStatus[]; lost: { dropped: number; refused: number } }
  const listed = await cli.api.get<Listed>('/v1/captures')
  cli.print.data(listed)
  const { items, lost } = listed
  if (items.length === 0) cli.print.line('Nothing is captured.')
  else {
    cli.print.table(
      ['lane', 'share', 'kept for', 'held', 'bytes', 'by', 'since', 'why'],
      items.map((one) => [
        `${one.environment}/${one.task}`,
        one.basisPoints === 0 ? 'off' : percentText(one.basisPoints / 10_000),
        durationText(one.retentionMs),
        String(one.kept),
        String(one.bytes),
        one.by,
        agoText(one.at),
        cutText(one.reason, reasonWidth),
      ]),
    )
  }
  if (lost.dropped + lost.refused > 0) {
    cli.print.line(`Within a day applications dropped ${lost.dropped} and the server refused ${lost.refused}.`)
  }
}

const reasonWidth = 60

async function setPolicy(cli: Cli, task: string, { env, share, days, reason }: SetOptions): Promise<void> {
  const path = `/v1/environments/${encodeURIComponent(env)}/tasks/${encodeURIComponent(task)}/capture`
  cli.print.data(await cli.api.put(path, { basisPoints: share, retentionDays: days, reason }))
  cli.print.line(
    share === 0
      ? `Nothing more of ${task} in ${env} is captured.`
      : `${percentText(share / 10_000)} of the conversations of ${task} in ${env} are captured, for ${countText(days, 'day')} each.`,
  )
}

async function showContent(cli: Cli, id: string, reason: string): Promise<void> {
  const path = `/v1/requests/${encodeURIComponent(id)}/capture`
  const content = await cli.api.get<ReadContent & { requestId: string }>(path, { reason })
  cli.print.data(content)
  for (const [name, value] of Object.entries(content.input ?? {})) cli.print.line(`${name}: ${value}`)
  cli.print.line(`→ ${JSON.stringify(content.output)}`)
}

async function showAudit(cli: Cli): Promise<void> {
  const items = await everyItem<CaptureAuditEntry>(cli.api, '/v1/captures/audit')
  cli.print.data({ items })
  cli.print.table(
    ['when', 'what', 'by', 'of', 'why'],
    items.map((one) => [dateText(one.at), one.act, one.by, subjectOf(one), cutText(one.reason, reasonWidth)]),
  )
}

function subjectOf(one: CaptureAuditEntry): string {
  if (one.act === 'policy') return `${one.environment}/${one.task} ${percentText(one.basisPoints / 10_000)}`
  return one.act === 'erase' ? `conversation ${one.conversationId.slice(0, 12)}` : one.requestId
}

async function erase(cli: Cli, of: { tenant: string; conversation: string; reason: string }): Promise<void> {
  const erased = await cli.api.delete<Erasure>(`/v1/captures?${new URLSearchParams(of)}`)
  cli.print.data(erased)
  const what = `The captured inputs and outputs of ${of.conversation} of ${of.tenant}`
  cli.print.line(
    erased.erasedNow
      ? `${what} are erased: nobody can read them again.`
      : `${what} were erased ${dateText(erased.at)} by ${erased.by} already.`,
  )
}
