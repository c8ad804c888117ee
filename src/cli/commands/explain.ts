import type { Command } from 'commander'
import type { Allocation } from '../../domain/allocation'
import type { Composite } from '../../domain/composite'
import { type Explanation, explain, type Ledgers } from '../../domain/explanation'
import { exposureText } from '../../domain/plan'
import type { Served, Skipped } from '../../domain/resolve'
import type { TaskDefinition } from '../../domain/task'
import type { TenantEntry } from '../../domain/tenant'
import { formatUsd } from '../../domain/verdict-text'
import { SluiceError } from '../../errors'
import type { LoggedRequest } from '../../store/request-log'
import { textArgument } from '../arguments'
import { type Cli, CommandEnded, withExample } from '../cli'
import { lanePath } from '../lanes'
import { dateText, durationText, plainText, shortDigest } from '../wording'
import { tenantPath } from './tenant'

/** `sluice explain <requestId>`: why a request was served as it was, checked against the ledgers. */
export function explainCommand(program: Command, cli: Cli): void {
  const command = program
    .command('explain')
    .description('why a request was served as it was; resolves it again from the ledgers and compares')
    .argument('<requestId>', 'the id the application reported', textArgument)
    .action((id: string) => explainRequest(cli, id))
  withExample(command, 'explain 5d0f3c1e-20fb-4c2a-9c57-0c4a6f6f3a10')
}

async function explainRequest(cli: Cli, id: string): Promise<void> {
  const { api, print } = cli
  const logged = await api.get<LoggedRequest>(`/v1/requests/${encodeURIComponent(id)}`)
  const { environment, task, tenant, conversation, binding } = logged
  const explanation = explain(logged, await readLedgers(cli, logged))
  const question = { environment, task, tenant, conversation, binding }
  const [composite, next] = await Promise.all([
    api.get<Composite>(`/v1/composites/${logged.composite}`),
    api.post<Served | Skipped>('/v1/resolve', question),
  ])
  print.data({ logged, agrees: explanation.differences.length === 0, ...explanation, next: nextOf(next) })
  for (const [label, text] of factsOf(logged, explanation, composite, next)) print.line(`${label.padEnd(14)}${text}`)
  if (explanation.differences.length === 0) return
  for (const difference of explanation.differences) print.line(`DISAGREES     ${difference}`)
  print.line('Check the chains: sluice audit verify')
  throw new CommandEnded('failed')
}

const page = 1_000
const maxPages = 20

async function readLedgers(cli: Cli, { environment, task, tenant, headSeq }: LoggedRequest): Promise<Ledgers> {
  const { api } = cli
  const entries: Allocation[] = []
  for (let asked = 0; asked < maxPages && (entries.at(-1)?.seq ?? 0) < headSeq; asked += 1) {
    const query = { from: (entries.at(-1)?.seq ?? 0) + 1, limit: page }
    const { items } = await api.get<{ items: readonly Allocation[] }>(
      `${lanePath(environment, task)}/allocations`,
      query,
    )
    if (items.length === 0) break
    entries.push(...items)
  }
  const { supersedes } = await api.get<TaskDefinition>(`/v1/tasks/${encodeURIComponent(task)}`)
  const tenantEntries = await tenantHistory(cli, tenant)
  return { entries, tenantEntries, ...(supersedes === undefined ? {} : { supersedes }) }
}

/** A tenant that the ledger does not know has none. */
async function tenantHistory({ api }: Cli, tenant: string): Promise<readonly TenantEntry[]> {
  try {
    return (await api.get<{ history: readonly TenantEntry[] }>(tenantPath(tenant))).history
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'not_found') return []
    throw error
  }
}

type Fact = readonly [string, string]

function factsOf(
  logged: LoggedRequest,
  { entry, bucket, differences }: Explanation,
  composite: Composite,
  next: Served | Skipped,
): readonly Fact[] {
  const { requestId, task, environment, tenant, conversation, at, model, fingerprint, branch } = logged
  return [
    ['request', `${requestId}, ${dateText(at)}: ${amountsText(logged)}`],
    ['conversation', `${conversation} of ${tenant}, ${task} in ${environment}, bound as ${logged.binding}`],
    [
      'served by',
      `${shortDigest(composite.id)}  ${Object.values(composite.roles)
        .map(({ ref }) => ref)
        .join(', ')}`,
    ],
    ['because', becauseText(logged, entry, bucket)],
    ...(entry === undefined ? [] : [['entry', entryText(entry)] as const]),
    ['snapshot', `head ${logged.headSeq}, ${durationText(logged.cacheAgeMs)} old${logged.stale ? ', stale' : ''}`],
    ...(model === undefined
      ? []
      : [['model', `${model}${fingerprint === undefined ? '' : `, ${fingerprint}`}`] as const]),
    ...(branch === undefined ? [] : [['branch', branch] as const]),
    ['its next', nextText(logged, next)],
    ...(differences.length > 0 ? [] : [['ledgers', 'agree: resolved again it is the same'] as const]),
  ]
}

function amountsText({ outcome, latencyMs, costUsd, inputTokens, cachedTokens, outputTokens }: LoggedRequest): string {
  const tokens = `${inputTokens} tokens in (${cachedTokens} cached), ${outputTokens} out`
  return `${plainText(outcome)}, ${Math.round(latencyMs)} ms, ${formatUsd(costUsd)}, ${tokens}`
}

const reasons: Readonly<Record<string, string>> = {
  settled: 'nothing was being released to it',
  no_slice: 'no slice of the release takes this tenant',
  override: 'the tenant has an override',
  opt_out: 'the tenant opted out',
  revoked: 'what it began with was rolled back since',
}

function becauseText({ reason, arm, slice }: LoggedRequest, entry?: Allocation, bucket?: number): string {
  const matched = entry?.exposure[slice]
  if (reason !== 'slice' || matched === undefined || bucket === undefined) return reasons[reason] ?? reason
  const side = arm === 'candidate' ? 'below' : 'not below'
  return `${exposureText({ exposure: [matched] })} get the candidate; its bucket ${bucket} is ${side} ${matched.basisPoints}: ${arm}`
}

function entryText({ seq, cause, by, at, releaseId, reason }: Allocation): string {
  const release = releaseId === undefined ? '' : ` of release ${releaseId}`
  return `${seq}, ${cause}${release} by ${by}, ${dateText(at)}${reason === undefined ? '' : `: ${reason}`}`
}

const nextOf = (next: Served | Skipped) =>
  'skip' in next ? next : { composite: next.composite.id, reason: next.reason }

function nextText({ composite }: LoggedRequest, next: Served | Skipped): string {
  if ('skip' in next) return `request would not be served: ${plainText(next.skip)}`
  if (next.composite.id === composite) return 'request would be served the same'
  return `request would be served by ${shortDigest(next.composite.id)}: ${reasons[next.reason] ?? next.reason}`
}
